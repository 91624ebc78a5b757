"""`mmktn::folder/name.py` -> the file, in an installed package or a source tree; reading configs.

mmengine resolves `package::config` only inside `_base_` lists and `get_config`; its
`Config.fromfile`, which the tools of all OpenMMLab repositories call, takes paths.
"""

from __future__ import annotations

import ast
import codecs
import difflib
import json
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmktn.compat.host_versions import HOSTS
from mmktn.utils.config_variables import (
    Variable,
    check_read,
    check_set_anew,
    names_read_of_bases,
    set_and_not_read,
    variables_of,
)
from mmktn.utils.user_error import UserError

if TYPE_CHECKING:
    from mmengine.config import Config

_PACKAGE = Path(__file__).resolve().parents[1]
SCHEME = "mmktn::"
CONFIG_SUFFIXES = (".py", ".json", ".yaml", ".yml")
MAX_CONFIG_BYTES = 10_000_000
_ABSENT = object()


def config_folders() -> list[Path]:
    """Find the package's configs: the wheel's `.mim` first, then the sources."""
    places = (_PACKAGE / ".mim" / "configs", _PACKAGE.parent / "configs")
    return [place for place in places if (place / "_base_").is_dir()]


def resolve_config(config: str | Path) -> str:
    """Return the path of a config file.

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
    """Return the path of a config file that exists.

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


def read_config(config: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and import what it asks for; every tool reads configs by this.

    Args:
        config: As in `resolve_config`.
        options: What `--cfg-options` gave, put on top of the config.

    Returns:
        The config.

    Raises:
        FileNotFoundError: No such file; the text offers similar names.
        UserError: Not a config, or a wrong one; the text names file, line and fix. Errors of the
            bases count, and errors that the config's own Python raises.
        ValueError: A scheme of another package.
        ImportError: The config imports modules that cannot be imported; for a host package that is
            not installed the text says how to install it.
    """
    from mmengine.config import Config

    path = require_config(config)
    variables = _check_chain(Path(path))
    check_set_anew(Path("--cfg-options"), options or (), variables)
    try:
        cfg = Config.fromfile(path)
    except ImportError as error:
        missing = _missing_module(error)
        host = next((entry for entry in HOSTS if entry.module == missing), None)
        if host is not None:
            raise ImportError(
                f"{config} needs {host.module}, which is not installed: {host.install}"
            ) from error
        cause = _first_cause(error)
        raise ImportError(
            f"{config}: an import of the config fails ({cause}); correct custom_imports, or put "
            "the folder of the module on PYTHONPATH"
        ) from error
    except SyntaxError as error:
        raise UserError(f"{config}: syntax error in the config or a base: {error}") from error
    except Exception as error:
        place = _place_in_config(error) or str(config)
        raise UserError(f"{place}: {type(error).__name__}: {error}") from error
    model = cfg.get("model", _ABSENT)
    if model is not _ABSENT and not isinstance(model, dict):
        raise UserError(f"{config}: model is {model!r}; it must be dict(type=..., ...)")
    merge_options(cfg, options)
    return cfg


def require_parts(cfg: Config, *keys: str) -> None:
    """Check that a config has the parts that a command works with.

    Args:
        cfg: A config.
        *keys: Top-level keys, each a dict (or a list of them) in any config that fits.

    Raises:
        UserError: One is missing or something else.
    """
    for key in keys:
        value = cfg.get(key)
        if not isinstance(value, dict | list | tuple):
            what = f"has no {key}" if value is None else f"{key} is {value!r}, not a dict"
            raise UserError(f"{cfg.filename}: the config {what}; this command needs it")


def merge_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Put what `--cfg-options` gave on top of a config.

    Raises:
        UserError: A key leads into something that is neither dict nor list, or beyond a list, or
            nothing reads it.
    """
    keys = {key.partition(".")[0] for key in options or {}}
    check_read(Path("--cfg-options"), sorted(keys - set(cfg)), cfg)
    for key, value in (options or {}).items():
        at: Any = cfg
        parent: Any = None
        parts = key.split(".")
        for depth, part in enumerate(parts):
            where = ".".join(parts[:depth]) or "the config"
            parent = at
            if isinstance(at, list | tuple):
                if not part.isdigit() or int(part) >= len(at):
                    raise UserError(
                        f"--cfg-options {key}: {where} is a list of {len(at)}; "
                        f"{part!r} is none of its places"
                    )
                at = at[int(part)]
            elif depth and not hasattr(at, "get"):
                raise UserError(
                    f"--cfg-options {key}: {where} is {at!r}, which has no key {part!r}"
                )
            else:
                at = at.get(part, {})
        last_is_branch = isinstance(at, dict) and at and not isinstance(value, dict)
        if last_is_branch and value is not None:
            raise UserError(
                f"--cfg-options {key}={value}: {key} is a dict with the keys "
                f"{', '.join(map(str, list(at)[:5]))}; name one of them ({key}.KEY=VALUE)"
            )
        if isinstance(parent, list) and not isinstance(value, dict):
            parent[int(parts[-1])] = value  # mmengine replaces only dicts in lists
            continue
        try:
            cfg.merge_from_dict({key: value})
        except (TypeError, KeyError, AttributeError, AssertionError, IndexError) as error:
            raise UserError(f"--cfg-options {key}={value}: {error}") from error


def _check_chain(
    path: Path, above: tuple[Path, ...] = (), read: frozenset[str] = frozenset()
) -> dict[str, Variable]:
    """Refuse a file of another kind, bases that are missing or lead back, variables set in vain.

    The files are parsed, none is run.

    Args:
        path: The config.
        above: Those that it is a base of.
        read: Names that they read.

    Returns:
        Variables of the file and its bases.
    """
    place = path.resolve()
    chain = " -> ".join(other.name for other in (*above, place))
    if place in above:
        raise UserError(f"{path}: a config is its own base ({chain}); remove one _base_ of these")
    by = f" (a base of {above[-1]})" if above else ""
    if path.suffix not in CONFIG_SUFFIXES:
        raise UserError(f"{path}{by} is not a config (.py, .json, .yaml); arguments swapped?")
    if not path.is_file():
        raise UserError(f"{path}{by}: no such file; correct _base_")
    text = _config_text(path)
    variables: dict[str, Variable] = {}
    bases = _bases(path, text)
    tree = ast.parse(text) if path.suffix == ".py" else None
    reads = read | names_read_of_bases(tree) if tree else read
    for base in bases:
        if base.startswith(SCHEME):
            variables |= _check_chain(Path(resolve_config(base)), (*above, place), reads)
        elif "::" not in base:
            variables |= _check_chain(place.parent / base, (*above, place), reads)
    if tree:
        unread = set_and_not_read(tree)
        check_set_anew(path, unread, variables)
        # What mmengine dumps has no bases: it holds the variables, and their values in all places.
        if bases and ".mim" not in place.parts:
            check_read(path, [n for n in unread if n not in read], variables, bool(above))
        variables |= variables_of(path, tree)
    return variables


def _config_text(path: Path) -> str:
    """Return the text of a config; files that no text editor wrote are refused."""
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise UserError(f"{path}: {path.stat().st_size} bytes are too many for a config")
    content = path.read_bytes()
    if b"\0" in content:
        raise UserError(f"{path}: a binary file, not a config")
    if content.startswith(codecs.BOM_UTF8):
        raise UserError(f"{path}: starts with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; "
            "save the config as UTF-8"
        ) from error


def _bases(path: Path, text: str) -> list[str]:
    """Return what a config names as its bases: files, relative to its folder.

    Raises:
        UserError: The text is no Python, JSON or YAML, or holds no keys.
    """
    try:
        if path.suffix == ".py":
            found = _python_bases(ast.parse(text))
        else:
            content = json.loads(text) if path.suffix == ".json" else _read_yaml(path, text)
            if not isinstance(content, dict):
                kind = type(content).__name__
                raise UserError(f"{path}: holds a {kind} at its top; a config has keys there")
            found = content.get("_base_", [])
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}; correct the syntax") from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply for a config") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    found = found if isinstance(found, list | tuple) else [found]
    if not all(isinstance(base, str) for base in found):
        raise UserError(f"{path}: _base_ is {found!r}; it names files, as a string or a list")
    return list(found)


def _python_bases(tree: ast.Module) -> Any:
    """Value of `_base_`, and the files of `with read_base():`; what is computed is left out."""
    bases: list[Any] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets
        ):
            with suppress(ValueError):
                value = ast.literal_eval(node.value)
                bases += value if isinstance(value, list | tuple) else [value]
        elif isinstance(node, ast.With):
            bases += [
                "/".join([".", *[".."] * (line.level - 1), *(line.module or "").split(".")]) + ".py"
                for line in node.body
                if isinstance(line, ast.ImportFrom) and line.level and line.module
            ]
    return bases


def _read_yaml(path: Path, text: str) -> Any:
    """Return the content of a YAML text, plain types alone.

    Raises:
        UserError: Not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML, or with tags that run code: {error}") from error


def _place_in_config(error: BaseException) -> str | None:
    """File and line of the config whose Python raised an error; None if no config's did."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = frames[-1] if frames else None
    if inner is None or inner.name != "<module>":
        return None
    return f"{inner.filename}, line {inner.lineno}"


def _first_cause(error: BaseException) -> BaseException:
    """Return the error that started a chain."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _missing_module(error: BaseException | None) -> str:
    """Return the top-level name of the module whose absence started a chain of import errors."""
    name = ""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
        error = error.__cause__ or error.__context__
    return name
