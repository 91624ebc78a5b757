"""Read relation matrices of the knowledge graph from files: .npy, .npz or the official pickles.

The official files (`kpt_surf_crkg.pkl`, `part_surf_crkg.pkl`, `person_surf_crkg.pkl`) are pickled
numpy arrays of shape (nodes, 25); projects/relations writes an .npz of all three.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.array_files import read_array, read_arrays
from mmktn.utils.restricted_unpickler import load_plain_pickle


def load_relation(path: str | Path, *, key: str) -> NDArray[np.float32]:
    """Load one relation matrix.

    Args:
        path: A .npy file, a .npz file that holds `key`, or a .pkl file of the official tools.
        key: Name of the source ('keypoint', 'part', 'box').

    Returns:
        (nodes, 25) float32.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a matrix, or a pickle that holds anything but numpy arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"relation file of source {key!r} not found: {path}. relation_source='structural' uses "
            "the shipped rules, which is enough where a checkpoint is loaded afterwards"
        )
    array = _read(path, key)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: expected a matrix of numbers, got {array.dtype} {array.shape}")
    return array.astype(np.float32)


def _read(path: Path, key: str) -> NDArray[Any]:
    if path.suffix in (".pkl", ".pickle"):
        return np.asarray(load_plain_pickle(path))
    if path.suffix == ".npy":
        return read_array(path, what="relations")
    return read_arrays(path, (key,), what="relations", max_bytes=1 << 30)[key]
