import multiprocessing

import numpy as np
import pytest

from mmktn.surface import GeodesicTable, SurfaceMesh
from mmktn.surface.geodesic import num_vertices_of
from tests.test_surface.conftest import icosphere


def test_convention_condensed_order_is_the_strict_lower_triangle():
    table = GeodesicTable(np.array([10.0, 20.0, 21.0, 30.0, 31.0, 32.0]), 4)
    assert table.distance(1, 0) == 10
    assert table.distance(2, [0, 1]).tolist() == [20, 21]
    assert table.distance([0, 1, 2], 3).tolist() == [30, 31, 32]


def test_order_equals_the_published_index_formula():
    n = 9
    table = GeodesicTable(np.arange(n * (n - 1) / 2), n)
    for a in range(n):
        for b in range(a):
            i, j = n - 1 - a, n - 1 - b
            start = n * (n - 1) / 2 - (n - i) * (n - i - 1) / 2 + j - i - 1
            assert table.distance(a, b) == n * (n - 1) / 2 - start - 1


def test_same_vertex_is_zero_and_no_vertex_is_infinite():
    table = GeodesicTable(np.array([1.0], dtype=np.float32), 2)
    assert table.distance([0, 1, 0, -1, -1, 1], [0, 0, -1, 1, -1, 1]).tolist() == [
        0,
        1,
        np.inf,
        np.inf,
        np.inf,
        0,
    ]


def test_ids_of_any_integer_width_do_not_wrap():
    n = 400
    table = GeodesicTable(np.arange(n * (n - 1) // 2, dtype=np.float64), n)
    assert table.distance(np.array([399], np.uint16), np.array([398], np.uint16)) == 399 * 199 + 398


def test_one_vertex_has_no_pairs():
    assert GeodesicTable(np.zeros(0), 1).distance([0], [0]).tolist() == [0]


def test_bad_ids_and_lengths_are_named():
    with pytest.raises(ValueError, match="for 4 vertices"):
        GeodesicTable(np.zeros(5), 4)
    with pytest.raises(ValueError, match=r"-1\.\.1"):
        GeodesicTable(np.zeros(1), 2).distance([2], [0])
    with pytest.raises(ValueError, match="5 distances"):
        num_vertices_of(5)
    assert num_vertices_of(379_597_681) == 27_554


def test_table_is_cached_mapped_and_read_again(tmp_path):
    mesh = icosphere(1)
    table = GeodesicTable.from_mesh(mesh, tmp_path, progress=False)
    files = list(tmp_path.glob("*.npy"))
    assert len(files) == 1
    assert mesh.hash in files[0].name
    assert isinstance(table.condensed, np.memmap)
    assert not table.condensed.flags.writeable
    stamp = files[0].stat().st_mtime_ns
    again = GeodesicTable.from_mesh(mesh, tmp_path, progress=False)
    assert files[0].stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(again.condensed, table.condensed)
    other = GeodesicTable.from_mesh(icosphere(0), tmp_path, progress=False)
    assert other.num_vertices == 12
    assert not list(tmp_path.glob("*.part"))


def test_float16_keeps_a_millimetre(tmp_path):
    mesh = icosphere(1)
    full = GeodesicTable.from_mesh(mesh, tmp_path, progress=False)
    half = GeodesicTable.from_mesh(mesh, tmp_path, dtype="float16", progress=False)
    assert half.condensed.dtype == np.float16
    # pi metres: 11 significant bits leave 2^-10 m
    assert np.abs(half.condensed.astype(float) - full.condensed).max() <= 2**-10 + 1e-7


def test_cache_folder_follows_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path / "here"))
    GeodesicTable.from_mesh(icosphere(0), progress=False)
    assert len(list((tmp_path / "here" / "geodesics").glob("*.npy"))) == 1


def _compute(folder: str) -> float:
    return float(GeodesicTable.from_mesh(icosphere(1), folder, progress=False).condensed.sum())


def test_two_processes_may_ask_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        sums = pool.map(_compute, [str(tmp_path)] * 2)
    assert sums[0] == sums[1] > 0
    assert len(list(tmp_path.glob("*.npy"))) == 1


def test_files_that_are_no_tables_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.npy"):
        GeodesicTable.open(tmp_path / "gone.npy")
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.npy: not an \.npy"):
        GeodesicTable.open(tmp_path / "text.npy")
    np.save(tmp_path / "ints.npy", np.arange(3))
    with pytest.raises(ValueError, match=r"ints\.npy: expected"):
        GeodesicTable.open(tmp_path / "ints.npy")


def test_bad_options_are_named(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        GeodesicTable.from_mesh(icosphere(0), tmp_path, dtype="float64")
    with pytest.raises(ValueError, match="dijkstra"):
        GeodesicTable.from_mesh(icosphere(0), tmp_path, solver="dijkstra", progress=False)
    two = SurfaceMesh(
        np.arange(18).reshape(6, 3) ** 2 % 7, [[0, 1, 2], [0, 2, 1], [3, 4, 5], [3, 5, 4]]
    )
    with pytest.raises(ValueError, match="2 unconnected pieces"):
        GeodesicTable.from_mesh(two, tmp_path, progress=False)
