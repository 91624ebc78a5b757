"""The official file of geodesic distances, converted once to a memory-mapped array.

Pdist_matrix.pkl is a python-2 pickle of one column with n (n - 1) / 2 distances in metres. Loaded
as it stands it needs three times its size. Here the array's bytes are found inside the pickle and
copied block by block; nothing in the file is executed, and no class but numpy's array is admitted.
"""

import io
import pickle
import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.file_cache import cache_folder
from mmktn.surface.geodesic import GeodesicTable, num_vertices_of
from mmktn.utils.file_lock import single_writer
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.restricted_unpickler import ArrayUnpickler

KEY = "Pdist_matrix"
_BLOCK = 1 << 22
_HEAD = 1 << 16
_LONG = 1 << 12
# opcodes that carry bytes as they are, and the width of the length before them
_RAW = {b"T": 4, b"B": 4, b"\x8e": 8, b"\x96": 8}
_EMPTY = {b"T": b"U\x00", b"B": b"C\x00", b"\x8e": b"C\x00", b"\x96": b"C\x00"}


def open_official_distances(
    path: str | Path,
    *,
    num_vertices: int | None = None,
    cache_dir: str | Path | None = None,
    dtype: str = "float32",
) -> GeodesicTable:
    """Return the distances of an official pickle, memory-mapped; converted at first use.

    Args:
        path: Pdist_matrix.pkl.
        num_vertices: Vertices of the closed mesh, checked if given.
        cache_dir: Folder of the converted file; by default in mmktn's cache.
        dtype: "float32" or "float16" of the converted file.

    Returns:
        The table.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a pickle, or distances of another number of vertices.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"official distances: no file {source}")
    status = source.stat()
    folder = Path(cache_dir) if cache_dir is not None else cache_folder() / "geodesics"
    name = f"{source.stem}_{status.st_size}_{status.st_mtime_ns}_{dtype}.npy"
    target = folder / name
    if not target.is_file():
        with single_writer(target):
            if not target.is_file():
                convert_official_distances(source, target, dtype=dtype)
    table = GeodesicTable.open(target)
    if num_vertices is not None and table.num_vertices != num_vertices:
        raise ValueError(
            f"{source}: distances of {table.num_vertices} vertices, the mesh has {num_vertices}"
        )
    return table


def convert_official_distances(
    source: str | Path, target: str | Path, *, dtype: str = "float32"
) -> int:
    """Write the distances of an official pickle as .npy.

    Args:
        source: Pdist_matrix.pkl.
        target: File to write.
        dtype: "float32" or "float16".

    Returns:
        Number of vertices.

    Raises:
        ValueError: Unknown dtype, not such a pickle, or lengths that fit no number of vertices.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be float32 or float16, got {dtype!r}")
    file = Path(source)
    stored = _stored_array(file)
    flat = stored.reshape(-1)
    if stored.dtype.kind != "f" or flat.size != max(stored.shape, default=0):
        raise ValueError(f"{file}: {KEY!r} must be one column of floats, got {stored.shape}")
    try:
        count = num_vertices_of(flat.size)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (flat.size,)}
    with replace_atomically(Path(target)) as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for part in _blocks(file, stored):
            block = part.astype(np.float32)
            if not np.isfinite(block).all() or (block.size and block.min() < 0):
                raise ValueError(f"{file}: a distance is negative or not finite")
            handle.write(block.astype(dtype).tobytes())
    return count


def _blocks(file: Path, stored: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the array in pieces; a mapped one is read, so that its pages leave memory again."""
    for start in range(0, stored.size, _BLOCK):
        count = min(_BLOCK, stored.size - start)
        if isinstance(stored, np.memmap):
            offset = stored.offset + start * stored.itemsize
            yield np.fromfile(file, dtype=stored.dtype, count=count, offset=offset)
        else:
            yield stored.reshape(-1)[start : start + count]


def _stored_array(file: Path) -> NDArray[Any]:
    """Return the array in the pickle, mapped in place where possible, else loaded."""
    try:
        with open(file, "rb") as handle:
            found = _find_raw_bytes(handle)
            content = None if found is None else _read_without_bytes(found)
            if content is None:
                found = None
                handle.seek(0)
                content = ArrayUnpickler(handle, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, struct.error, IndexError) as error:
        raise ValueError(f"{file}: not a pickle of {KEY!r} ({error})") from error
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{file}: damaged pickle ({error})") from error
    if not isinstance(content, dict) or KEY not in content:
        raise ValueError(f"{file}: expected a dict with key {KEY!r}")
    value = content[KEY]
    if found is None:
        return np.asarray(value)
    if not isinstance(value, _ArrayStub) or value.dtype.itemsize == 0:
        raise ValueError(f"{file}: {KEY!r} is not an array")
    if int(np.prod(value.shape)) * value.dtype.itemsize != found.length:
        raise ValueError(f"{file}: {value.shape} {value.dtype} does not fit {found.length} bytes")
    return np.memmap(file, dtype=value.dtype, mode="r", offset=found.offset, shape=value.shape)


def _read_without_bytes(found: "_RawBytes") -> Any:
    """Return the pickle with a stub for the array; None if it is laid out in another way."""
    try:
        return _StubUnpickler(io.BytesIO(found.without), encoding="latin1").load()
    except pickle.UnpicklingError:
        return None


@dataclass
class _RawBytes:
    """Where the array's bytes lie, and the pickle with those bytes taken out."""

    offset: int
    length: int
    without: bytes


def _find_raw_bytes(handle: BinaryIO) -> _RawBytes | None:
    """Return the first long run of raw bytes near the beginning of a pickle."""
    head = handle.read(_HEAD)
    position = 0
    table = {op.code.encode("latin1"): op for op in pickletools.opcodes}
    while position < len(head):
        code = head[position : position + 1]
        if code not in table:
            raise pickle.UnpicklingError(f"unknown opcode {code!r} at byte {position}")
        width = _RAW.get(code)
        if width is not None:
            length = int.from_bytes(head[position + 1 : position + 1 + width], "little")
            if length >= _LONG:
                offset = position + 1 + width
                handle.seek(offset + length)
                tail = handle.read()
                return _RawBytes(offset, length, head[:position] + _EMPTY[code] + tail)
        argument = table[code].arg
        reader = io.BytesIO(head[position + 1 :])
        if argument is not None:
            try:
                argument.reader(reader)
            except ValueError:
                return None
        position += 1 + reader.tell()
    return None


class _ArrayStub:
    """Stands for a numpy array while its bytes are left in the file."""

    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = np.dtype("V0")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, _ = state
        if fortran and len(shape) > 1 and max(shape) != int(np.prod(shape)):
            raise ValueError("array in column order")
        self.shape, self.dtype = tuple(int(n) for n in shape), kind.dtype


class _DtypeStub:
    """Stands for a numpy dtype of plain numbers."""

    def __init__(self, code: str, *_: object) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _make_stub(*_: object) -> _ArrayStub:
    return _ArrayStub()


_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")


class _StubUnpickler(pickle.Unpickler):
    """Admits numpy's array and dtype alone, and makes stubs of them."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stub of an admitted name; anything else is refused."""
        if name == "_reconstruct" and module in _CORE:
            return _make_stub
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _ArrayStub if name == "ndarray" else _DtypeStub
        raise pickle.UnpicklingError(f"{module}.{name} has no place in this file")
