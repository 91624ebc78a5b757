"""Modules of tools/ and projects/, which are no packages."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


@cache
def tool_module(path: str) -> ModuleType:
    """Import a file of the repository, such as `projects/oracle/oracle.py`.

    It finds those beside it by their bare names, as when it is run.
    """
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(f"tool_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and processes look their module up by its name.
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module
