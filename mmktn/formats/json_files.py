"""The one reader of JSON files that users give."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmktn.formats.limits import MAX_FILE_BYTES
from mmktn.formats.shown import shown
from mmktn.utils.stored_files import fetch_bytes, is_remote
from mmktn.utils.user_error import UserError

Record = dict[str, Any]


def read_json(
    path: str | os.PathLike[str],
    what: str,
    *,
    record: Callable[[Record], Record] | None = None,
    backend_args: dict[str, Any] | None = None,
) -> Any:
    """Read a JSON file.

    Args:
        path: The file, or an address that mmengine.fileio knows.
        what: Its part, for the messages: an option or a config key.
        record: As in `parse_json`.
        backend_args: Of mmengine.fileio; None reads from the disk.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: It is no regular file, too large, or no JSON; the text names it.
    """
    if is_remote(path, backend_args):
        content = fetch_bytes(os.fspath(path), backend_args)
        return parse_json(content, f"{what}: {path}", record=record)
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"{what}: no file {file}")
    if not file.is_file():
        raise UserError(f"{what}: {file} is no regular file")
    if file.stat().st_size > MAX_FILE_BYTES:
        raise UserError(f"{what}: {file} has more than {MAX_FILE_BYTES >> 30} GiB")
    return parse_json(file.read_bytes(), f"{what}: {file}", record=record)


def parse_json(
    content: bytes, name: str, *, record: Callable[[Record], Record] | None = None
) -> Any:
    """Read JSON text in UTF-8, with or without a byte order mark.

    Args:
        content: Bytes of the file.
        name: The file, for the messages.
        record: Called with every object; what it gives takes the object's place.

    Returns:
        The content. NaN and Infinity become floats, which the checks of fields refuse.

    Raises:
        UserError: It is compressed, no UTF-8, no JSON or nested too deeply.

    Warns:
        RepeatedKeyWarning: An object has one key twice; the last value counts, as in other readers.
    """
    repeated: dict[str, None] = {}

    def made(pairs: list[tuple[str, Any]]) -> Record:
        made_of = dict(pairs)
        if len(made_of) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            repeated.setdefault(twice, None)
        return made_of if record is None else record(made_of)

    if content[:2] == b"\x1f\x8b":
        raise UserError(f"{name} is compressed by gzip; unpack it first")
    try:
        found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=made)
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a JSON file (no UTF-8 at byte {error.start})") from error
    except RecursionError as error:
        raise UserError(f"{name}: not a usable JSON file (lists are nested too deep)") from error
    except ValueError as error:
        raise UserError(f"{name}: not a complete JSON file ({error})") from error
    if repeated:
        keys = ", ".join(map(shown, list(repeated)[:5]))
        text = f"{name}: the key {keys} stands more than once in an object; the last value counts"
        warnings.warn(text, RepeatedKeyWarning, stacklevel=2)
    return found


class RepeatedKeyWarning(UserWarning):
    """A key stands twice in one object of a JSON file."""
