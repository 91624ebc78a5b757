"""Values of a file as text for messages, and what counts as a number, an id or a file's name."""

from __future__ import annotations

import math
import reprlib
from pathlib import Path
from typing import Any

from mmktn.formats.limits import MAX_ID

_MAX_SHOWN = 60
_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 3, 2 * _MAX_SHOWN, 2 * _MAX_SHOWN


def shown(value: Any) -> str:
    """Return a value as text of bounded length, however deeply nested or long it is."""
    if isinstance(value, str | int | float | list | tuple | dict | type(None)):
        try:
            text = _repr.repr(value)
        except ValueError:  # whole numbers of thousands of digits have no text
            text = "a huge number"
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def is_id(value: Any) -> bool:
    """Whether a value is a whole number of at most 64 bits; negative ones are ids, too."""
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_ID <= value <= MAX_ID


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, no text and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def is_name_inside(name: Any) -> bool:
    """Whether a value names a file below the folder that it is looked for in, on every system."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    parts = name.replace("\\", "/").split("/")
    return ".." not in parts and parts[0] != "" and not Path(name).is_absolute()
