"""Surface files without what other fields of them say, and the way back; nothing is rounded.

Left out are the mesh triangles where the atlas names the same ones, and one half of a shape basis
that moves both halves of the body alike. Large numbers are stored with their bytes apart, all upper
ones behind all lower ones, wherever that packs better.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = dict[str, Any]
_FLIP = np.array([-1, 1, 1], np.float16)
_APART = re.compile(r"(\w+)\.([fiu][248])")


def compacted(fields: Mapping[str, Any]) -> Fields:
    """Leave out what `expanded` finds again.

    Args:
        fields: Fields of a surface file; ``shape_basis`` is (K, V + J, 3) float16.

    Returns:
        The fields without ``faces`` where the atlas gives them; ``shape_basis`` (K, H, 3) where it
        is alike on both sides, H counting the vertices that stand for themselves and their mirror,
        then the joints; and, in place of a field that packs better so, ``NAME.f4`` (4, ...) uint8,
        the bytes of its little-endian numbers from the lowest on (f4 is its type).
    """
    kept = {name: np.asarray(value) for name, value in fields.items()}
    if "faces" in kept and np.array_equal(kept["faces"], _faces_of_atlas(kept)):
        del kept["faces"]
    if "shape_basis" in kept and "vertex_mirror" in kept:
        kept["shape_basis"] = _one_side(kept["shape_basis"], kept["vertex_mirror"])
    return dict(_bytes_apart(name, values) for name, values in kept.items())


def expanded(fields: Mapping[str, NDArray[Any]]) -> Fields:
    """Add what `compacted` left out; fields that are whole stay as they are.

    Raises:
        KeyError: A field is missing that another one is made from.
        ValueError, IndexError: Fields do not fit each other.
    """
    whole = dict(_bytes_together(name, values) for name, values in fields.items())
    if "vertices" in whole and "faces" not in whole:
        whole["faces"] = _faces_of_atlas(whole)
    if "shape_basis" in whole and "vertex_mirror" in whole:
        places = len(whole["shape_mean"])
        if whole["shape_basis"].ndim == 3 and whole["shape_basis"].shape[1] != places:
            whole["shape_basis"] = _both_sides(whole["shape_basis"], whole["vertex_mirror"], places)
    return whole


def _faces_of_atlas(fields: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return fields["atlas_mesh_vertex"][fields["atlas_faces"]]


def _one_side(basis: NDArray[Any], mirror: NDArray[Any]) -> NDArray[Any]:
    """Return the rows (K, H, 3) that `_both_sides` makes the basis of, or the basis."""
    half = basis[:, _stored(mirror, basis.shape[1])]
    return half if np.array_equal(_both_sides(half, mirror, basis.shape[1]), basis) else basis


def _both_sides(half: NDArray[Any], mirror: NDArray[Any], places: int) -> NDArray[Any]:
    """Return (K, places, 3) of the stored rows (K, H, 3) and their mirror images."""
    stored = _stored(mirror, places)
    # Without this a few bytes could ask for any number of rows.
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise ValueError("vertex_mirror must be its own inverse")
    if half.shape[1:] != (len(stored), 3):
        raise ValueError(
            f"shape_basis {half.shape} must be (K, {places}, 3), "
            f"or (K, {len(stored)}, 3) for one side"
        )
    basis = np.zeros((len(half), places, 3), half.dtype)
    pairs = stored[stored < len(mirror)]
    basis[:, mirror[pairs]] = half[:, : len(pairs)] * _FLIP
    basis[:, stored] = half
    return basis


def _stored(mirror: NDArray[Any], places: int) -> NDArray[np.int64]:
    """Return the places whose rows are stored: one vertex of each pair, and all joints."""
    vertices = np.flatnonzero(mirror >= np.arange(len(mirror)))
    return np.concatenate([vertices, np.arange(len(mirror), places)])


def _bytes_apart(name: str, values: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """Return a field and its name, in the form that packs better."""
    kind = values.dtype.newbyteorder("<").str[1:]
    if values.ndim == 0 or not _APART.fullmatch(f"{name}.{kind}"):
        return name, values
    numbers = np.ascontiguousarray(values, f"<{kind}")
    words = numbers.view(np.uint8).reshape(*numbers.shape, numbers.itemsize)
    words = np.ascontiguousarray(np.moveaxis(words, -1, 0))
    if len(zlib.compress(words.tobytes())) < len(zlib.compress(numbers.tobytes())):
        return f"{name}.{kind}", words
    return name, values


def _bytes_together(name: str, words: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """Return the way back from `_bytes_apart`."""
    match = _APART.fullmatch(name)
    if match is None:
        return name, words
    kind = np.dtype(f"<{match[2]}")
    if words.dtype != np.uint8 or words.ndim < 2 or len(words) != kind.itemsize:
        raise ValueError(f"{name} {words.shape} must be ({kind.itemsize}, ...) of bytes")
    numbers = np.ascontiguousarray(np.moveaxis(words, 0, -1)).view(kind)
    return match[1], numbers[..., 0]
