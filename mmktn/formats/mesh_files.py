"""Vertices of mesh files that users give: OBJ, PLY and .npy; nothing but numbers is read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.array_files import read_array
from mmktn.utils.user_error import UserError

SUFFIXES = (".npy", ".obj", ".ply")
MAX_MESH_BYTES = 1 << 29
"""Largest mesh file that is read: 512 MiB."""

_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_PLY_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def read_mesh_vertices(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read the vertices of a mesh, in the order of the file.

    Args:
        path: .obj, .ply (text or binary), or .npy with (V, 3).

    Returns:
        (V, 3) in the file's unit and axes.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: Another kind of file, none of its vertices can be read, or they are not finite.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"mesh: no file {file}")
    if not file.is_file() or file.suffix.lower() not in SUFFIXES:
        raise UserError(f"mesh {file}: need a file that ends in {', '.join(SUFFIXES)}")
    if file.stat().st_size > MAX_MESH_BYTES:
        raise UserError(f"mesh {file}: larger than {MAX_MESH_BYTES >> 20} MiB")
    try:
        if file.suffix.lower() == ".npy":
            vertices = read_array(file, what="vertices")
        elif file.suffix.lower() == ".obj":
            vertices = _obj(file.read_bytes())
        else:
            vertices = _ply(file.read_bytes())
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise UserError(f"mesh {file}: {error}") from error
    if vertices.ndim != 2 or vertices.shape[1] != 3 or vertices.dtype.kind not in "iuf":
        raise UserError(f"mesh {file}: vertices are {vertices.dtype} {vertices.shape}, need (V, 3)")
    if not len(vertices) or not np.isfinite(vertices).all():
        raise UserError(f"mesh {file}: no vertices, or some that are not finite")
    return vertices.astype(np.float64)


def _obj(content: bytes) -> NDArray[np.float64]:
    rows = [line.split()[1:4] for line in content.splitlines() if line[:2] in (b"v ", b"v\t")]
    if any(len(row) != 3 for row in rows):
        raise UserError("a line 'v' has fewer than three numbers")
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _ply(content: bytes) -> NDArray[np.float64]:
    end = content.find(b"end_header")
    start = content.find(b"\n", end) + 1
    if not content.startswith(b"ply") or end < 0 or not start:
        raise UserError("no PLY header")
    kind, count, columns = _ply_header(content[:end].decode("ascii").splitlines())
    names = [name for name, _ in columns]
    if not set("xyz") <= set(names) or count < 0 or len(set(names)) != len(names):
        raise UserError("the vertices of the PLY have no x, y, z, or a name twice")
    body = content[start:]
    if kind == "ascii":
        rows = [line.split() for line in body.splitlines()[:count]]
        if len(rows) < count or any(len(row) < len(names) for row in rows):
            raise UserError(f"the header promises {count} vertices, the file holds fewer")
        table = np.array([[row[names.index(axis)] for axis in "xyz"] for row in rows])
        return table.astype(np.float64).reshape(-1, 3)
    if kind not in _PLY_ORDERS:
        raise UserError(f"PLY format {kind!r} is unknown")
    row_type = np.dtype([(name, _PLY_ORDERS[kind] + code) for name, code in columns])
    if count * row_type.itemsize > len(body):
        raise UserError(f"the header promises {count} vertices, the file holds fewer")
    found = np.frombuffer(body, dtype=row_type, count=count)
    return np.stack([found[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _ply_header(lines: list[str]) -> tuple[str, int, list[tuple[str, str]]]:
    """Return the coding, number of vertices, and name and type of each of their columns."""
    kind, count, columns = "", -1, []
    for words in map(str.split, lines):
        if words[:1] == ["format"]:
            kind = words[1]
        elif words[:1] == ["element"]:
            if count >= 0:
                break
            if words[1] != "vertex":
                raise UserError(f"the first element is {words[1]!r}, not 'vertex'")
            count = int(words[2])
        elif words[:1] == ["property"]:
            if len(words) != 3 or words[1] not in _PLY_TYPES:
                raise UserError(f"cannot read {' '.join(words)!r}")
            columns.append((words[2], _PLY_TYPES[words[1]]))
    return kind, count, columns


def read_obj_layout(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read triangles and their texture coordinates.

    Args:
        path: .obj with lines `vt` and `f v/vt...`, all faces triangles.

    Returns:
        (F, 3) vertex ids from 0 on, and (F, 3, 2) u (right) and v (up) of their corners.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: It is too large, or has other faces, or none; the text names it.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"texture layout: no file {file}")
    if file.stat().st_size > MAX_MESH_BYTES:
        raise UserError(f"texture layout {file}: larger than {MAX_MESH_BYTES >> 20} MiB")
    places, corners = [], []
    try:
        for line in file.read_bytes().splitlines():
            words = line.split()
            if words[:1] == [b"vt"]:
                places.append((float(words[1]), float(words[2])))
            elif words[:1] == [b"f"]:
                ids = [word.split(b"/") for word in words[1:]]
                corners.append([(int(word[0]), int(word[1])) for word in ids])
        table = np.array(corners, dtype=np.int64).reshape(-1, 3, 2)
        faces, texels = table[..., 0] - 1, table[..., 1] - 1
        uv = np.array(places, dtype=np.float64).reshape(-1, 2)
    except (ValueError, IndexError, OverflowError) as error:
        raise UserError(
            f"texture layout {file}: need lines 'vt u v' and triangles 'f v/vt v/vt v/vt' ({error})"
        ) from error
    if not len(faces) or faces.min() < 0 or texels.min() < 0 or texels.max() >= len(uv):
        raise UserError(f"texture layout {file}: no faces, or some name points that are not there")
    if not np.isfinite(uv).all():
        raise UserError(f"texture layout {file}: texture coordinates that are not finite")
    return faces, uv[texels]
