"""Read pickles that hold plain data and numpy arrays, without running anything they ask for.

A pickle is a program: it may call whatever it names, and even harmless names kill a process when
they are called with crafted arguments (an array of objects laid over raw bytes, a size beyond the
file). So only the names that numpy arrays and the standard containers need resolve, each to a small
function of ours that checks its arguments; nothing is read beyond the end of the file; and what is
hashed or copied is bounded. Everything else is refused by name. Files written by Python 2 or
another numpy load as well.

The interpreter is Python's own `pickle._Unpickler`, the readable one: its memo is a dict and its
reads can be watched, where the one in C allocates what a file announces.
"""

import os
import pickle
import re
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# Numbers and text of fixed length: no objects, records or dates.
_PLAIN_DTYPE = re.compile(r"[<>=|]?(?:[?bBhHiIlLqQefdgFDG]|[biufc]\d{1,2}|[SUa]\d{1,6})")
_ATOMS = (str, bytes, int, float, complex, bool, type(None), np.generic)
_MAX_DIGITS = 1000


def _refuse(text: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(text)


def _dtype(code: Any, *_: Any) -> np.dtype[Any]:
    text = code.decode("latin1") if isinstance(code, bytes) else code
    if not isinstance(text, str) or not _PLAIN_DTYPE.fullmatch(text):
        raise _refuse(f"a numpy type {str(code)[:40]!r}: it holds an object, or a record")
    return np.dtype(text)


def _reconstruct(*_: Any) -> NDArray[Any]:
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _raw_bytes(raw: Any) -> bytes:
    if isinstance(raw, str):
        raw = raw.encode("latin1")
    if not isinstance(raw, bytes | bytearray):
        raise _refuse(f"a numpy array over a {type(raw).__name__} instead of bytes")
    return bytes(raw)


def _check_array(shape: Any, kind: Any, raw: Any) -> None:
    """See that type, shape and bytes of an array belong together.

    Raises:
        pickle.UnpicklingError: They do not.
    """
    if not isinstance(kind, np.dtype) or kind.hasobject or kind.names is not None:
        raise _refuse("a numpy array that holds an object, or has no type")
    sizes = [shape] if isinstance(shape, int) else shape
    if not isinstance(sizes, tuple | list) or len(sizes) > 32:
        raise _refuse("a numpy array without a shape")
    count = 1
    for size in sizes:
        if type(size) is not int or not 0 <= size < 1 << 48:
            raise _refuse(f"a numpy array with an axis of {str(size)[:40]}")
        count *= size
    if count * kind.itemsize != len(_raw_bytes(raw)):
        raise _refuse(f"a numpy array of {count} values of type {kind} over {len(raw)} bytes")


def _scalar(kind: Any, data: Any = b"") -> Any:
    _check_array((), kind, data)
    return np.frombuffer(_raw_bytes(data), dtype=kind)[0]


def _from_buffer(buffer: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    _check_array(shape, kind, buffer)
    return np.frombuffer(_raw_bytes(buffer), dtype=kind).reshape(
        shape, order="F" if order == "F" else "C"
    )


def _encode(text: Any, coding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", "ascii", "utf-8", b"latin1"):
        raise _refuse("bytes in an unknown coding")
    return text.encode(coding if isinstance(coding, str) else "latin1")


def _bytearray(content: Any = b"", *coding: Any) -> bytearray:
    return bytearray(_encode(content, *coding) if isinstance(content, str) else _raw_bytes(content))


def _collect(kind: Callable[..., Any]) -> Callable[..., Any]:
    """Return a container made of another one: the only way in which pickles call these."""

    def make(content: Any = ()) -> Any:
        if not isinstance(content, list | tuple | dict | set | frozenset):
            raise _refuse(f"a {kind.__name__} of a {type(content).__name__}")
        if kind in (dict, OrderedDict, Counter):
            pairs = content.items() if isinstance(content, dict) else content
            made: dict[Any, Any] = kind()
            for key, value in pairs:
                made[_key(key)] = value
            return made
        return kind(map(_key, content) if kind in (set, frozenset) else content)

    return make


def _default_dict(factory: Any = None, *content: Any) -> Any:
    known = {_FACTORIES[name]: kind for name, kind in _FACTORY_KINDS.items()}
    if factory is not None and factory not in known:
        raise _refuse("a defaultdict of an unknown factory")
    return defaultdict(known.get(factory), _collect(dict)(*content))


def _value(kind: type) -> Callable[..., Any]:
    """Return a number or text made of a plain value."""

    def make(*content: Any) -> Any:
        if any(not isinstance(c, _ATOMS) or len(str(c)) > _MAX_DIGITS for c in content):
            raise _refuse(f"a {kind.__name__} of something large")
        return kind(*content)

    return make


def _key(key: Any) -> Any:
    """Return a key of a dict, or member of a set, that is cheap to hash.

    A tuple nested a million times would overflow the stack when it is hashed.

    Raises:
        pickle.UnpicklingError: Neither a plain value nor a flat tuple of such.
    """
    flat = isinstance(key, tuple) and len(key) <= 64 and all(isinstance(p, _ATOMS) for p in key)
    if not isinstance(key, _ATOMS) and not flat:
        raise _refuse(f"a {type(key).__name__} as the key of a dict or in a set")
    return key


_FACTORY_KINDS = {kind.__name__: kind for kind in (dict, list, tuple, set, int, float, bool, str)}
_FACTORIES: dict[str, Callable[..., Any]] = {
    **{kind.__name__: _collect(kind) for kind in (dict, list, tuple, set, frozenset)},
    **{kind.__name__: _value(kind) for kind in (complex, int, float, bool, str)},
    "bytearray": _bytearray,
}

_CORE = ("numpy.core", "numpy._core")
ARRAY_NAMES: dict[tuple[str, str], Any] = {
    **{(f"{core}.multiarray", "_reconstruct"): _reconstruct for core in _CORE},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORE},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in _CORE},
    ("numpy", "ndarray"): _reconstruct,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
"""Module and name in a pickle -> what stands for it, for numpy arrays alone."""

CONTAINER_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _collect(OrderedDict),
    ("collections", "defaultdict"): _default_dict,
    ("collections", "Counter"): _collect(Counter),
    **{
        (module, name): stand_in
        for module in ("builtins", "__builtin__")
        for name, stand_in in _FACTORIES.items()
    },
}
"""The same for standard containers and plain values."""


class _BoundedFile:
    """A file that refuses to be asked for more than it holds, and counts what is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        position = file.tell()
        self.left = file.seek(0, os.SEEK_END) - position
        file.seek(position)

    def _take(self, count: int) -> None:
        if count > self.left:
            raise _refuse(f"it ends early: {count} bytes are announced, {self.left} are left")
        self.left -= count

    def read(self, count: int) -> bytes:
        self._take(count)
        return self._file.read(count)

    def readinto(self, buffer: Any) -> int:
        self._take(len(buffer))
        return self._file.readinto(buffer)  # type: ignore[attr-defined]

    def readline(self) -> bytes:
        line = self._file.readline()
        self.left -= len(line)
        return line


_NEEDLESS = (
    *(pickle.INST[0], pickle.OBJ[0], pickle.NEWOBJ_EX[0], pickle.EXT1[0], pickle.EXT2[0]),
    *(pickle.EXT4[0], pickle.NEXT_BUFFER[0], pickle.READONLY_BUFFER[0]),
)
_BASE: Any = pickle._Unpickler


class ArrayUnpickler(_BASE):
    """Admits numpy arrays and plain values, nothing else.

    Args:
        file: Open file that can be searched.
        encoding: Coding of the texts of Python 2.
    """

    names = ARRAY_NAMES
    dispatch = dict(_BASE.dispatch)

    def __init__(self, file: BinaryIO, *, encoding: str = "latin1") -> None:
        self._bounded = _BoundedFile(file)
        # Copies of containers that a program may ask for; honest ones ask for less.
        self._copies = 4 * self._bounded.left + 1000
        super().__init__(self._bounded, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of an admitted name.

        Raises:
            pickle.UnpicklingError: The name is not admitted.
        """
        try:
            return self.names[module, name]
        except KeyError:
            raise _refuse(
                f"{module}.{name} has no place in this file: only numpy arrays and plain values "
                "are read"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to things outside of the file."""
        raise _refuse("it refers to things outside of the file")

    def load_reduce(self) -> None:
        """Call a stand-in, and nothing else."""
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self._call(function, arguments))

    def load_newobj(self) -> None:
        """The same for classes that are made without their constructor."""
        self.load_reduce()

    def load_refused(self) -> None:
        """Refuse older and newer ways to call, and extension codes."""
        raise _refuse("a kind of call that plain data does not need")

    def _call(self, function: Any, arguments: Any) -> Any:
        if not any(function is known for known in self.names.values()):
            raise _refuse(f"it calls a {type(function).__name__}")
        if not isinstance(arguments, tuple) or len(arguments) > 8:
            raise _refuse("a call without arguments")
        self._copies -= sum(len(a) for a in arguments if hasattr(a, "__len__"))
        if self._copies < 0:
            raise _refuse("it would grow to many times its size")
        return function(*arguments)

    def load_build(self) -> None:
        """Give an array, or a type, its content, once it is checked."""
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, np.dtype):
            if not isinstance(state, tuple) or any(part is not None for part in state[2:5]):
                raise _refuse("a numpy type with fields: it holds an object, or a record")
            if state[1] not in ("<", ">", "=", "|"):
                raise _refuse("a numpy type of an unknown byte order")
            if state[1] in ("<", ">"):
                # A new object, so that shared types of numpy are never changed.
                self._replace(made, made.newbyteorder(state[1]))
        elif type(made) is np.ndarray:
            if not isinstance(state, tuple) or len(state) not in (4, 5):
                raise _refuse("an array without a state")
            shape, kind, fortran, raw = state[-4:]
            _check_array(shape, kind, raw)
            # Checked, so that numpy may lay the array over the bytes that were read: no copy.
            content: Any = (1, tuple(shape), kind, bool(fortran), _raw_bytes(raw))
            made.__setstate__(content)
        elif isinstance(made, OrderedDict):
            pass  # versions of modules that PyTorch keeps beside the weights
        else:
            raise _refuse(f"it sets the state of a {type(made).__name__}")

    def _replace(self, old: Any, new: Any) -> None:
        """Put a finished thing where its beginning was."""
        self.stack[-1] = new
        for place in [place for place, value in self.memo.items() if value is old]:
            self.memo[place] = new

    def load_setitem(self) -> None:
        """One entry of a dict, its key checked."""
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict)[_key(key)] = value

    def load_setitems(self) -> None:
        """Entries of a dict, their keys checked."""
        items = self.pop_mark()
        target = self._target(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def load_dict(self) -> None:
        """The dict of protocol 0."""
        items = self.pop_mark()
        pairs = zip(items[::2], items[1::2], strict=True)
        self.append({_key(key): value for key, value in pairs})

    def load_additems(self) -> None:
        """Members of a set, checked."""
        items = self.pop_mark()
        self._target(set).update(map(_key, items))

    def load_frozenset(self) -> None:
        """A frozen set of checked members."""
        self.append(frozenset(map(_key, self.pop_mark())))

    def load_append(self) -> None:
        """One more item of a list."""
        value = self.stack.pop()
        self._target(list).append(value)

    def load_appends(self) -> None:
        """More items of a list."""
        items = self.pop_mark()
        self._target(list).extend(items)

    def _target(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise _refuse(f"it fills a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def load_long4(self) -> None:
        """A whole number; none of ours has a thousand bytes."""
        (count,) = struct.unpack("<i", self.read(4))
        if not 0 <= count <= _MAX_DIGITS:
            raise _refuse(f"a number of {count} bytes")
        self.append(pickle.decode_long(self.read(count)))

    def load_number_line(self) -> None:
        """A whole number, or a truth value, in text."""
        text = self.readline()[:-1]
        if len(text) > _MAX_DIGITS:
            raise _refuse("a number of too many digits")
        plain = text.rstrip(b"L")
        self.append(text == b"01" if text in (b"00", b"01") else int(plain or b"0"))

    def load_bytearray8(self) -> None:
        """Bytes that can be written to; their room is checked before it is made."""
        (count,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(count)))

    def load_frame(self) -> None:
        """Frames only say how much to read ahead, which is not done here."""
        (count,) = struct.unpack("<Q", self.read(8))
        if count > self._bounded.left:
            raise _refuse("it ends early")

    dispatch.update(
        {
            pickle.REDUCE[0]: load_reduce,
            pickle.NEWOBJ[0]: load_newobj,
            pickle.BUILD[0]: load_build,
            pickle.SETITEM[0]: load_setitem,
            pickle.SETITEMS[0]: load_setitems,
            pickle.DICT[0]: load_dict,
            pickle.ADDITEMS[0]: load_additems,
            pickle.FROZENSET[0]: load_frozenset,
            pickle.APPEND[0]: load_append,
            pickle.APPENDS[0]: load_appends,
            pickle.LONG4[0]: load_long4,
            pickle.LONG[0]: load_number_line,
            pickle.INT[0]: load_number_line,
            pickle.BYTEARRAY8[0]: load_bytearray8,
            pickle.FRAME[0]: load_frame,
            **dict.fromkeys(_NEEDLESS, load_refused),
        }
    )


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
            return PlainUnpickler(handle).load()
    except (pickle.UnpicklingError, EOFError, struct.error, IndexError) as error:
        raise ValueError(f"{file}: not a pickle of plain data ({error})") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged stream of opcodes may end in any
        raise ValueError(f"{file}: damaged pickle ({error})") from error
