import pickle

import numpy as np
import pytest

from mmktn.surface.official_distances import convert_official_distances, open_official_distances
from tests.test_surface.official_writer import python2_pickle

V = 120
COLUMN = np.random.default_rng(0).random((V * (V - 1) // 2, 1)).astype(np.float32) * 2


def _written(tmp_path, data: bytes):
    file = tmp_path / "Pdist_matrix.pkl"
    file.write_bytes(data)
    return file


def test_python2_pickle_equals_what_the_reference_reads(tmp_path):
    file = _written(tmp_path, python2_pickle(COLUMN))
    with open(file, "rb") as handle:
        reference = pickle.load(handle, encoding="latin1")["Pdist_matrix"]
    np.testing.assert_array_equal(reference, COLUMN)
    assert convert_official_distances(file, tmp_path / "out.npy") == V
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), COLUMN[:, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickles_of_every_protocol(tmp_path, protocol, dtype):
    file = _written(tmp_path, pickle.dumps({"Pdist_matrix": COLUMN.astype(dtype)}, protocol))
    convert_official_distances(file, tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), COLUMN[:, 0])


def test_raw_bytes_are_mapped_and_not_loaded(tmp_path, monkeypatch):
    from mmktn.surface import official_distances

    def refuse(*_args, **_kwargs):
        raise AssertionError("the whole pickle was loaded")

    monkeypatch.setattr(official_distances, "ArrayUnpickler", refuse)
    for data in (python2_pickle(COLUMN), pickle.dumps({"Pdist_matrix": COLUMN}, 3)):
        convert_official_distances(_written(tmp_path, data), tmp_path / "out.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), COLUMN[:, 0])


def test_opening_converts_once_per_type(tmp_path):
    file = _written(tmp_path, python2_pickle(COLUMN))
    table = open_official_distances(file, num_vertices=V, cache_dir=tmp_path / "cache")
    stamp = next((tmp_path / "cache").glob("*.npy")).stat().st_mtime_ns
    open_official_distances(file, cache_dir=tmp_path / "cache")
    assert next((tmp_path / "cache").glob("*.npy")).stat().st_mtime_ns == stamp
    assert table.distance(5, 3) == COLUMN[5 * 4 // 2 + 3, 0]
    half = open_official_distances(file, cache_dir=tmp_path / "cache", dtype="float16")
    assert half.condensed.dtype == np.float16
    assert half.condensed.nbytes * 2 == table.condensed.nbytes
    # 11 significant bits below 2 m
    assert np.abs(half.condensed.astype(float) - COLUMN[:, 0]).max() <= 2**-11


class _Evil:
    def __reduce__(self):
        return (eval, ("1 + 1",))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (pickle.dumps({"Pdist_matrix": _Evil()}), "eval has no place"),
        (pickle.dumps({"Pdist_matrix": COLUMN, "more": _Evil()}), "eval has no place"),
        (pickle.dumps({"other": COLUMN}), "key 'Pdist_matrix'"),
        (pickle.dumps([1, 2]), "key 'Pdist_matrix'"),
        (pickle.dumps({"Pdist_matrix": COLUMN[:-1]}), "not those of all pairs"),
        (pickle.dumps({"Pdist_matrix": COLUMN.reshape(-1, 2)}), "one column of floats"),
        (pickle.dumps({"Pdist_matrix": np.arange(3)[:, None]}), "one column of floats"),
        (pickle.dumps({"Pdist_matrix": -COLUMN}), "negative or not finite"),
        (b"hello", "Pdist_matrix.pkl"),
        (b"", "not a pickle"),
        (python2_pickle(COLUMN)[:-200], "Pdist_matrix.pkl"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, text):
    file = _written(tmp_path, content)
    with pytest.raises(ValueError, match=text):
        convert_official_distances(file, tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_missing_file_and_unknown_type_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.pkl"):
        open_official_distances(tmp_path / "no.pkl")
    with pytest.raises(ValueError, match="int8"):
        convert_official_distances(tmp_path / "no.pkl", tmp_path / "x", dtype="int8")
