"""Read relation matrices of the knowledge graph from files: .npy, .npz or the official pickles.

The official files (`kpt_surf_crkg.pkl`, `part_surf_crkg.pkl`, `person_surf_crkg.pkl`, methods 8.4)
are pickled numpy arrays of shape (nodes, 25). Pickles are read by an unpickler that can build numpy
arrays and nothing else.
"""

import pickle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.restricted_unpickler import ArrayUnpickler


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
            f"relation file of source {key!r} not found: {path}. relation_source='structural' builds "
            "the graph from the shipped rules, which also does where a checkpoint is loaded later"
        )
    array = _read(path, key)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: expected a matrix of numbers, got {array.dtype} {array.shape}")
    return array.astype(np.float32)


def _read(path: Path, key: str) -> NDArray:
    if path.suffix in (".pkl", ".pickle"):
        with path.open("rb") as file:
            try:
                return np.asarray(ArrayUnpickler(file, encoding="latin1").load())
            except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
                raise ValueError(f"{path}: not a pickled numpy array ({error})") from error
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a .npy, .npz or .pkl file ({error})") from error
    if not isinstance(loaded, np.ndarray):
        if key not in loaded:
            raise ValueError(f"{path}: no array {key!r}, only {sorted(loaded)}")
        return loaded[key]
    return loaded
