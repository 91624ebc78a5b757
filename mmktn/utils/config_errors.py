"""Errors that arise while parts are built from a config, as one line that names the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from mmktn.utils.user_error import UserError

_BUILDERS = ("build_from_cfg", "build_model_from_cfg", "build_runner_from_cfg")


@contextmanager
def config_errors(cfg: Any) -> Iterator[None]:
    """Name the config, the key and the fix where a part cannot be built from a config.

    Args:
        cfg: The config that parts are built from, an `mmengine.Config`.

    Raises:
        UserError: In place of any error that arose while mmengine built a part. Others pass, and so
            do errors of users' kinds (`UserError`, files that are missing).
    """
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        part = _part_at_fault(error.__traceback__)
        if part is None:
            raise
        raise UserError(
            f"{getattr(cfg, 'filename', None) or 'config'}: {explain(error, part, cfg)}"
        ) from error


def explain(error: Exception, part: Any, cfg: Any) -> str:
    """Return what is wrong with a part of a config.

    Args:
        error: What building it raised.
        part: The dict of the config that was built.
        cfg: The whole config.

    Returns:
        Key of the part, what is wrong, and the fix.
    """
    if not isinstance(part, dict) or "type" not in part:
        return f"a part has no type ({error}); write dict(type=..., ...)"
    kind = part["type"]
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    place = find_part(cfg, part) or name
    text = str(error)
    if isinstance(error, KeyError) and "is not in the" in text:
        return (
            f"{place}.type: no class {name!r} is registered; correct the name, or import its "
            "module by custom_imports"
        )
    if isinstance(error, TypeError) and "unexpected keyword argument" in text:
        argument = text.rsplit("'", 2)[-2]
        if argument in part:
            return f"{place}.{argument}: {name} takes no such argument; remove or correct it"
    return f"{place} ({name}): {type(error).__name__}: {text}"


def find_part(cfg: Any, part: dict, prefix: str = "") -> str | None:
    """Find the key of a dict in a config: of itself, or of the first with equal content."""
    items: Any
    if isinstance(cfg, list | tuple):
        items = enumerate(cfg)
    elif hasattr(cfg, "items"):
        items = cfg.items()
    else:
        return None
    for key, value in items:
        place = f"{prefix}.{key}" if prefix else str(key)
        if value is part or (isinstance(value, dict) and _same_part(value, part)):
            return place
        found = find_part(value, part, place)
        if found is not None:
            return found
    return None


def _same_part(mine: dict, built: dict) -> bool:
    """Whether a dict was built: builders add keys and replace parts by what was built of them."""
    if mine.get("type") != built.get("type"):
        return False
    plain = (str, int, float, bool, type(None))
    return all(
        key in built and (not isinstance(value, plain) or built[key] == value)
        for key, value in mine.items()
        if key != "_scope_"
    )


def _part_at_fault(trace: TracebackType | None) -> Any:
    """Return the innermost config that was being built; None if the error arose elsewhere."""
    part = None
    while trace is not None:
        if trace.tb_frame.f_code.co_name in _BUILDERS and "registry" in trace.tb_frame.f_locals:
            part = trace.tb_frame.f_locals.get("cfg")
        trace = trace.tb_next
    return part
