"""Files of arrays: nothing is unpickled, and no size is believed before it is checked."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from mmktn.utils.array_files import check_arrays, read_array, read_arrays
from mmktn.utils.user_error import UserError


class Payload:
    def __reduce__(self):
        return (pytest.fail, ("code of a file ran",))


def header(shape, descr="|u1"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117)
    return b"\x93NUMPY\x01\x00v\x00" + text.encode() + b"\n"


def saved(save, *arrays, **named):
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def archive(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.npy", content)
    return buffer.getvalue()


OBJECTS = np.array([Payload()], dtype=object)
SOUND = saved(np.savez, a=np.arange(1000))
BAD_ARCHIVES = {
    "empty": b"",
    "text": b"hello",
    "pickle": pickle.dumps(Payload()),
    "objects": archive(saved(np.save, OBJECTS)),
    "promise": archive(header((10**6, 10**6))),
    "overflow": archive(header((2**62, 4, 4))),
    "negative": archive(header((-5,)) + b"12345"),
    "no header": archive(b"hello"),
    "odd header": archive(header("__import__('os').abort()")),
    "text array": archive(b"\x93NUMPY\x01\x00\x05\x00"),
    "version": archive(b"\x93NUMPY\x09\x00v\x00" + b" " * 118),
    "cut": SOUND[:200],
    "spoilt": SOUND[:300] + b"\xff" * 50 + SOUND[350:],
    "bare": saved(np.save, np.arange(3)),
}


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_bad_archives_are_named(kind, tmp_path):
    file = tmp_path / "x.npz"
    file.write_bytes(BAD_ARCHIVES[kind])
    for needed in (None, ("a",)):
        with pytest.raises(UserError, match=r"x\.npz: not an \.npz file of things"):
            read_arrays(file, needed, what="things")


BAD_ARRAYS = {
    "empty": b"",
    "objects": saved(np.save, OBJECTS),
    "promise": header((10**6, 10**6)),
    "cut": saved(np.save, np.arange(9))[:-1],
    "archive": SOUND,
    "odd header": header("1 +"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_bad_arrays_are_named(kind, tmp_path):
    file = tmp_path / "x.npy"
    file.write_bytes(BAD_ARRAYS[kind])
    with pytest.raises(UserError, match=r"x\.npy: not an \.npy file of numbers"):
        read_array(file)


def test_sound_files_come_back(tmp_path):
    values = {"a": np.arange(6).reshape(2, 3), "b": np.array("text"), "c": np.float32(3)}
    np.savez_compressed(tmp_path / "x.npz", **values)
    found = read_arrays(tmp_path / "x.npz")
    assert list(found) == ["a", "b", "c"]
    for name in values:
        np.testing.assert_array_equal(found[name], values[name])
    assert list(read_arrays(tmp_path / "x.npz", ("b",))) == ["b"]
    assert check_arrays(tmp_path / "x.npz") == ["a", "b", "c"]
    np.save(tmp_path / "x.npy", values["a"])
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), values["a"])


def test_sizes_and_names_are_asked_for_first(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(1000))
    with pytest.raises(UserError, match=r"announces 8000 bytes.*at most 100 are read"):
        read_arrays(tmp_path / "x.npz", max_bytes=100)
    with pytest.raises(UserError, match=r"no field 'b' \(1 of 2 missing\)"):
        read_arrays(tmp_path / "x.npz", ("a", "b"))
    with pytest.raises(FileNotFoundError, match=r"arrays: no file .*y\.npz"):
        read_arrays(tmp_path / "y.npz")
    with pytest.raises(UserError, match="is no regular file"):
        read_array(tmp_path)
