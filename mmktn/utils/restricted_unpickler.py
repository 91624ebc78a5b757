"""Read pickles that hold plain data and numpy arrays, without running anything they ask for.

A pickle is a program: it may call whatever it names. Here the only names that resolve are those
numpy arrays and the standard containers need, and each resolves to a small function of ours, so
that files written by Python 2 or another numpy load as well. Everything else is refused by name.
"""

import pickle
import struct
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _reconstruct(_kind: type, _shape: tuple[int, ...], _code: object) -> NDArray[Any]:
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _scalar(kind: np.dtype[Any], data: bytes | str) -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    if kind.hasobject:
        raise pickle.UnpicklingError("a numpy scalar that holds an object")
    return np.frombuffer(raw, dtype=kind)[0]


def _from_buffer(
    buffer: bytes, kind: np.dtype[Any], shape: tuple[int, ...], order: str
) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype=kind).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, coding: str) -> bytes:
    return text.encode(coding)


_CORE = ("numpy.core", "numpy._core")
ARRAY_NAMES: dict[tuple[str, str], Any] = {
    **{(f"{core}.multiarray", "_reconstruct"): _reconstruct for core in _CORE},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORE},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in _CORE},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}
"""Module and name in a pickle -> what stands for it, for numpy arrays alone."""

CONTAINER_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("collections", "Counter"): Counter,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (dict, list, tuple, set, frozenset, bytearray, complex, int, float, bool, str)
    },
}
"""The same for standard containers and plain values."""


class ArrayUnpickler(pickle.Unpickler):
    """Admits numpy arrays and plain values, nothing else."""

    names = ARRAY_NAMES

    def find_class(self, module: str, name: str) -> Any:
        """Stand-in of an admitted name.

        Raises:
            pickle.UnpicklingError: The name is not admitted.
        """
        try:
            return self.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"{module}.{name} has no place in this file: only numpy arrays and plain values "
                "are read"
            ) from None


class PlainUnpickler(ArrayUnpickler):
    """Admits the standard containers too, as detectron2's model zoo writes them."""

    names = ARRAY_NAMES | CONTAINER_NAMES


def load_plain_pickle(path: str | Path) -> Any:
    """Read a pickle of plain containers and numpy arrays.

    Args:
        path: File of any pickle protocol; strings of Python 2 are read as latin-1.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a pickle, a damaged one, or one that names anything else.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    try:
        with file.open("rb") as handle:
            return PlainUnpickler(handle, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, struct.error, IndexError) as error:
        raise ValueError(f"{file}: not a pickle of plain data ({error})") from error
    except Exception as error:  # a damaged stream of opcodes may end in any
        raise ValueError(f"{file}: damaged pickle ({error})") from error
