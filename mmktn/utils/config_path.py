"""`mmktn::folder/name.py` -> the file, in an installed package or a source tree; reading configs.

mmengine resolves `package::config` only inside `_base_` lists and `get_config`; its
`Config.fromfile`, which the tools of all OpenMMLab repositories call, takes paths.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from mmktn.compat.host_versions import HOSTS

if TYPE_CHECKING:
    from mmengine.config import Config

_PACKAGE = Path(__file__).resolve().parents[1]
SCHEME = "mmktn::"


def config_folders() -> list[Path]:
    """Existing folders with the package's configs: the wheel's `.mim` first, then the sources."""
    places = (_PACKAGE / ".mim" / "configs", _PACKAGE.parent / "configs")
    return [place for place in places if (place / "_base_").is_dir()]


def resolve_config(config: str | Path) -> str:
    """Path of a config file.

    Args:
        config: A path, returned as it is, or `mmktn::folder/name.py`; `mmktn::name.py` finds a
            file by its basename, which is unique among our configs.

    Returns:
        A path; one that was not given in our scheme is not checked.

    Raises:
        FileNotFoundError: No such config of ours; the text offers similar names.
        ValueError: A scheme of another package.
    """
    text = str(config)
    if "::" not in text:
        return text
    if not text.startswith(SCHEME):
        raise ValueError(f"{text}: only configs of mmktn are found by '{SCHEME}folder/name.py'")
    name = text.removeprefix(SCHEME)
    folders = config_folders()
    if not folders:
        raise FileNotFoundError(f"{text}: this mmktn has no configs (neither .mim nor sources)")
    for folder in folders:
        if (folder / name).is_file():
            return str(folder / name)
        if "/" not in name:
            for found in sorted(folder.rglob(name)):
                return str(found)
    known = {path.relative_to(folders[0]).as_posix() for path in folders[0].rglob("*.py")}
    near = difflib.get_close_matches(name, sorted(known), n=3)
    hint = f"; similar: {', '.join(SCHEME + other for other in near)}" if near else ""
    raise FileNotFoundError(f"{text}: no such config in {folders[0]}{hint}")


def require_config(config: str | Path) -> str:
    """Path of a config file that exists.

    Args:
        config: As in `resolve_config`.

    Returns:
        The path.

    Raises:
        FileNotFoundError: No such file; the text offers files of ours with similar names, which
            `mmktn::` finds from every folder.
        ValueError: A scheme of another package.
    """
    path = Path(resolve_config(config))
    if path.is_file():
        return str(path)
    beside = {other.name: str(other) for other in path.parent.glob("*.py")}
    ours = {
        other.name: SCHEME + other.relative_to(folder).as_posix()
        for folder in config_folders()
        for other in folder.rglob("*.py")
        if "_base_" not in other.parts
    }
    known = ours | beside
    name = path.name if path.suffix else f"{path.name}.py"
    near = difflib.get_close_matches(name, sorted(known), n=3)
    hint = f"; similar: {', '.join(known[other] for other in near)}" if near else ""
    raise FileNotFoundError(f"config not found: {config}{hint}")


def read_config(config: str | Path) -> Config:
    """Read a config file and import what it asks for.

    Args:
        config: As in `resolve_config`.

    Returns:
        The config.

    Raises:
        FileNotFoundError: No such file; the text offers similar names.
        ValueError: A scheme of another package.
        ImportError: The config imports modules that need a host package which is not installed;
            the text says how to install it. Other import errors are mmengine's.
    """
    from mmengine.config import Config

    try:
        return Config.fromfile(require_config(config))
    except ImportError as error:
        host = next((entry for entry in HOSTS if entry.module == _missing_module(error)), None)
        if host is None:
            raise
        raise ImportError(
            f"{config} needs {host.module}, which is not installed: {host.install}"
        ) from error


def _missing_module(error: BaseException | None) -> str:
    """Top-level name of the module whose absence started a chain of import errors."""
    name = ""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
        error = error.__cause__ or error.__context__
    return name
