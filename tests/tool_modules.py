"""Modules of tools/ and projects/, which are no packages."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def tool_module(path: str) -> ModuleType:
    """Import a file of the repository, such as `tools/train.py`."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
