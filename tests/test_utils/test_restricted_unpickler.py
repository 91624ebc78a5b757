"""Plain pickles load; a pickle that asks for anything else is refused before it can run it."""

import os
import pickle
from collections import OrderedDict
from contextlib import nullcontext

import numpy as np
import pytest

from mmktn.utils.restricted_unpickler import ArrayUnpickler, load_plain_pickle


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def write(folder, content, protocol=pickle.HIGHEST_PROTOCOL):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_come_back_from_every_protocol(tmp_path, protocol):
    content = {
        "model": OrderedDict(
            a=np.arange(6, dtype=np.float32).reshape(2, 3),
            b=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            c=np.array(7),
            d=np.float16([1.5]),
        ),
        "__author__": "somebody",
        "step": np.float64(0.25),
        "parts": [(1, 2.5), {3}, None, True, b"bytes"],
    }
    loaded = load_plain_pickle(write(tmp_path, content, protocol))
    assert list(loaded["model"]) == list("abcd")
    for name, array in content["model"].items():
        assert loaded["model"][name].dtype == array.dtype
        np.testing.assert_array_equal(loaded["model"][name], array)
    assert loaded["step"] == 0.25
    assert loaded["parts"] == content["parts"]


def test_pickle_of_python_2_and_the_older_numpy_loads(tmp_path):
    # What Python 2.7 with numpy 1 writes at protocol 0 for {'a': np.array([1.0, 2.0], '<f4')}.
    text = (
        "(dp0\nS'a'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\n"
        "S'b'\np5\ntp6\nRp7\n(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n"
        "(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np15\n"
        "tp16\nbs."
    )
    path = tmp_path / "old.pkl"
    path.write_bytes(text.encode("latin1"))
    np.testing.assert_array_equal(load_plain_pickle(path)["a"], np.float32([1, 2]))


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch made",), r"posix\.system|nt\.system"),
        (eval, ("1 + 1",), r"builtins\.eval"),
        (getattr, ("text", "upper"), r"builtins\.getattr"),
        (np.load, ("made",), r"numpy.*load"),
    ],
)
def test_anything_else_is_refused_by_name_and_not_run(tmp_path, monkeypatch, function, args, name):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, {"model": Calls(function, *args)})
    with pytest.raises(ValueError, match=rf"file\.pkl: .*({name}) has no place"):
        load_plain_pickle(path)
    assert not (tmp_path / "made").exists()


def test_scalars_that_would_hold_objects_are_refused(tmp_path):
    # The address of an object, read from the file, would be followed.
    path = write(tmp_path, Calls(np.float64(0).__reduce__()[0], np.dtype("O"), b"\0" * 8))
    with pytest.raises(ValueError, match="holds an object"):
        load_plain_pickle(path)


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_damaged_file_is_one_message(tmp_path, cut):
    path = write(tmp_path, {"a": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"file\.pkl: .*pickle"):
        load_plain_pickle(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        load_plain_pickle(tmp_path / "absent.pkl")


def test_array_unpickler_admits_no_containers_by_name(tmp_path):
    path = write(tmp_path, OrderedDict(a=1))
    with (
        path.open("rb") as handle,
        pytest.raises(pickle.UnpicklingError, match=r"collections\.OrderedDict"),
    ):
        ArrayUnpickler(handle).load()


def crafted(kind, shape, raw, *, state_of_type=(3, "<", None, None, None, -1, -1, 0)):
    """A pickle that lays an array of any type and shape over any bytes."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    parts = (pickle.dumps(part, 2)[2:-1] for part in (shape, kind, state_of_type, raw))
    shape_code, kind_code, state_code, raw_code = parts
    type_code = b"cnumpy\ndtype\n" + kind_code + b"K\x00K\x01\x87R" + state_code + b"b"
    return head + b"(K\x01" + shape_code + type_code + b"\x89" + raw_code + b"tb."


def test_the_crafted_form_is_that_of_numpy(tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(crafted("f4", (2,), np.float32([1, 2]).tobytes()))
    np.testing.assert_array_equal(load_plain_pickle(path), np.float32([1, 2]))


@pytest.mark.parametrize(
    "content",
    [
        crafted("O", (1,), b"\x01" * 8, state_of_type=(3, "|", None, None, None, -1, -1, 63)),
        crafted("O8", (1,), b"\x01" * 8),
        crafted("V8", (1,), b"\x01" * 8, state_of_type=(3, "|", None, ("a",), {}, 8, 1, 63)),
        crafted("f4", (2,), b"\0" * 4),
        crafted("f4", (1 << 60,), b"\0" * 4),
        crafted("f4", (-1,), b"\0" * 4),
        crafted("f4", (1.5,), b"\0" * 4),
        crafted("f4", (1,), [1.0]),
        crafted("U9999999", (1,), b""),
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00.",  # a terabyte of bytes announced
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # the same, as a bytearray
        b"\x80\x04\x95\xff\xff\xff\xff\xff\x00\x00\x00N.",  # the same, as a frame
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # a number of 2 GB
        b"(I" + b"9" * 5000 + b"\nt.",
        b"}" + b")" + b"\x85" * 100_000 + b"Ns.",  # a tuple nested as a key
        b"c__builtin__\nbytearray\n(J\xff\xff\xff\x7ftR.",
        b"(lp0\n" + b"0c__builtin__\nlist\n(g0\ntRp0\n" * 10 + b"g0\ng0\na.",
        b"\x80\x02]q\x00(h\x00h\x00e" + b"c__builtin__\ntuple\nh\x00\x85R0" * 20 + b"Q.",
        b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ft\x81K\x01b.",
    ],
    ids=range(19),
)
def test_crafted_pickles_are_refused_before_memory_is_taken(tmp_path, content):
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    harmless = content.startswith(b"(lp0")
    with nullcontext() if harmless else pytest.raises(ValueError, match=r"file\.pkl: "):
        load_plain_pickle(path)


def test_mutated_pickles_end_in_one_message_or_in_plain_data(tmp_path):
    """A seeded fuzz; every outcome but these two would end the tests."""
    rng = np.random.default_rng(0)
    seeds = [
        pickle.dumps({"a": np.zeros(3), "b": [1, (2.5, "x")], "c": {3}, 4: OrderedDict(d=1)}, p)
        for p in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    path = tmp_path / "file.pkl"
    refused = 0
    for _ in range(1500):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        try:
            load_plain_pickle(path)
        except ValueError:
            refused += 1
    assert refused > 500
