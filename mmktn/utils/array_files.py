"""The one reader of .npy and .npz files that users give: nothing is unpickled, sizes come first."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.user_error import UserError

MAX_BYTES = 1 << 33
"""Largest array that is read: 8 GiB."""

# What hostile files make zipfile and numpy raise.
_ERRORS = (ValueError, zipfile.BadZipFile, zlib.error, OSError, EOFError, TypeError, KeyError,
           OverflowError, AttributeError, NotImplementedError, RuntimeError, SyntaxError,
           MemoryError)  # fmt: skip


def read_arrays(
    path: str | os.PathLike[str],
    needed: Sequence[str] | None = None,
    *,
    what: str = "arrays",
    max_bytes: int = MAX_BYTES,
) -> dict[str, NDArray[Any]]:
    """Read an .npz file.

    Args:
        path: The file.
        needed: Arrays to read, each of which must be there; None reads all.
        what: What the file holds, for the messages.
        max_bytes: Largest sum of the arrays.

    Returns:
        Arrays by name; none of them has the type object.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: It is no .npz, an array is missing, is of Python objects, announces more than
            the file holds, or all together are larger than allowed.
    """
    file = Path(path)
    names = check_arrays(file, needed, what=what, max_bytes=max_bytes)
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except _ERRORS as error:
        raise UserError(f"{file}: not an .npz file of {what} ({_reason(error)})") from error


def check_arrays(
    path: str | os.PathLike[str],
    needed: Sequence[str] | None = None,
    *,
    what: str = "arrays",
    max_bytes: int = MAX_BYTES,
) -> list[str]:
    """Check an .npz file as `read_arrays` does, without unpacking it.

    Returns:
        Names of the arrays that `read_arrays` would read.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: See `read_arrays`.
    """
    file = Path(path)
    _check_file(file, what)
    try:
        names = _announced(file, needed, max_bytes)
    except _ERRORS as error:
        raise UserError(f"{file}: not an .npz file of {what} ({_reason(error)})") from error
    missing = [name for name in needed or () if name not in names]
    if missing:
        raise UserError(
            f"{file}: not an .npz file of {what}: no field {missing[0]!r} "
            f"({len(missing)} of {len(needed or ())} missing)"
        )
    return names if needed is None else list(needed)


def read_array(path: str | os.PathLike[str], *, what: str = "numbers") -> NDArray[Any]:
    """Read an .npy file.

    Args:
        path: The file.
        what: What the file holds, for the messages.

    Returns:
        The array; never of Python objects.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: It is no .npy, or announces more than it holds.
    """
    file = Path(path)
    _check_file(file, what)
    try:
        # Mapped, so that a header which promises more than the file holds asks for no memory.
        return np.array(np.lib.format.open_memmap(file, mode="r"))
    except _ERRORS as error:
        raise UserError(f"{file}: not an .npy file of {what} ({_reason(error)})") from error


def _check_file(file: Path, what: str) -> None:
    if not file.exists():
        raise FileNotFoundError(f"{what}: no file {file}")
    if not file.is_file():
        raise UserError(f"{what}: {file} is no regular file")


def _announced(file: Path, needed: Sequence[str] | None, max_bytes: int) -> list[str]:
    """Return names of the arrays, after their headers were compared with what the archive holds."""
    names, total = [], 0
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if needed is not None and name not in needed:
                continue
            with archive.open(entry) as stored:
                version = np.lib.format.read_magic(stored)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                shape, _, dtype = read(stored)
            if dtype.hasobject:
                raise UserError(f"array {entry.filename} is of Python objects")
            size = math.prod(shape) * dtype.itemsize
            total += size
            if size > entry.file_size or total > max_bytes:
                raise UserError(
                    f"array {entry.filename} announces {size} bytes, the file holds "
                    f"{entry.file_size}, at most {max_bytes} are read"
                )
            names.append(name)
    return names


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
