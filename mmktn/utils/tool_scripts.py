"""The scripts of tools/, which mim needs as files, as commands of the package."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def tools_folder() -> Path:
    """Folder of the scripts: the wheel's, or that of the source tree.

    Raises:
        FileNotFoundError: This installation has none.
    """
    for place in (_PACKAGE / ".mim" / "tools", _PACKAGE.parent / "tools"):
        if (place / "train.py").is_file():
            return place
    raise FileNotFoundError("this mmktn has no tools (neither .mim nor sources); install its wheel")


def tool_main(name: str) -> Callable[[Sequence[str]], int]:
    """The `main(argv) -> exit status` of a script.

    Args:
        name: Path below tools/.

    Raises:
        FileNotFoundError: This installation has no tools.
    """
    path = tools_folder() / name
    # A name of its own: `test` and `train` are modules of others.
    spec = importlib.util.spec_from_file_location(f"_mmktn_tool_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Worker processes that unpickle its functions look it up by name.
    sys.modules[spec.name] = module
    # Scripts find those beside them by their bare names.
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module.main
