from pathlib import Path

import numpy as np
import pytest

from mmktn.surface import BodySurface, ChartSymmetry, load_surface
from mmktn.surface.io import load_surface_file, save_surface, surface_from_reference_body
from tests.test_surface.conftest import is_closed_manifold, two_charts

REFERENCE = Path(__file__).parents[1] / "data" / "reference" / "metrics" / "body.npz"


def test_saved_body_comes_back_exactly(body, tmp_path):
    save_surface(body, tmp_path / "copy.npz")
    copy = load_surface_file(tmp_path / "copy.npz")
    assert copy.mesh.hash == body.mesh.hash
    assert copy.atlas.hash == body.atlas.hash
    assert copy.name == body.name
    np.testing.assert_array_equal(copy.vertex_mirror, body.vertex_mirror)
    np.testing.assert_array_equal(copy.symmetry.u_tables, body.symmetry.u_tables)
    np.testing.assert_array_equal(copy.symmetry.v_tables, body.symmetry.v_tables)
    assert copy.skeleton.joint_names == body.skeleton.joint_names
    # weights are kept in steps of 1 / 65535
    np.testing.assert_allclose(copy.skeleton.weights, body.skeleton.weights, atol=2e-5)
    assert copy.keypoint_joint == body.keypoint_joint
    for name, place in body.keypoints.items():
        np.testing.assert_array_equal(copy.keypoints[name], place)


def test_surface_of_charts_alone_and_free_tables_come_back(tmp_path):
    rng = np.random.default_rng(0)
    symmetry = ChartSymmetry(*rng.random((2, 24, 256, 256)))
    surface = BodySurface(two_charts(), 6, name="charts", symmetry=symmetry)
    save_surface(surface, tmp_path / "charts.npz")
    copy = load_surface(tmp_path / "charts.npz")
    assert copy.mesh is None
    assert copy.skeleton is None
    assert copy.keypoints == {}
    np.testing.assert_array_equal(copy.symmetry.v_tables, symmetry.v_tables)


def test_distances_beside_the_file_are_found(tmp_path):
    np.save(tmp_path / "d.npy", np.arange(15, dtype=np.float32))
    save_surface(
        BodySurface(two_charts(), 6, name="x"),
        tmp_path / "x.npz",
        geodesics_file=tmp_path / "d.npy",
    )
    surface = load_surface(tmp_path / "x.npz")
    assert surface.geodesics.distance(5, 4) == 14
    (tmp_path / "d.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"d\.npy"):
        _ = load_surface(tmp_path / "x.npz").geodesics


def test_reference_body_opens_by_either_name():
    surface = surface_from_reference_body(REFERENCE)
    assert surface.num_mesh_vertices == 1746
    assert surface.atlas.num_vertices == 2140
    assert is_closed_manifold(surface.mesh)
    assert load_surface(REFERENCE).atlas.hash == surface.atlas.hash
    # by the file's own recipe
    stored = np.load(REFERENCE)
    steps = np.cumsum((stored["dist_hi"].astype("u2") << 8) | stored["dist_lo"], dtype="u2")
    metres = np.float32(steps.astype(float) * 5e-4)
    assert surface.geodesics.distance(1745, 3) == metres[1745 * 1744 // 2 + 3]


def test_files_that_are_no_surfaces_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        load_surface_file(tmp_path / "gone.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.npz: not an \.npz"):
        load_surface_file(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(ValueError, match=r"other\.npz: no field 'format_version'"):
        load_surface_file(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="not a reference body"):
        surface_from_reference_body(tmp_path / "other.npz")


def test_version_and_damaged_fields_are_named(body, tmp_path):
    save_surface(body, tmp_path / "body.npz")
    fields = dict(np.load(tmp_path / "body.npz"))
    np.savez(tmp_path / "new.npz", **(fields | {"format_version": 99}))
    with pytest.raises(ValueError, match="format version 99"):
        load_surface_file(tmp_path / "new.npz")
    fields = {name: values for name, values in fields.items() if not name.startswith("atlas_v")}
    np.savez(tmp_path / "less.npz", **fields)
    with pytest.raises(ValueError, match=r"less\.npz: .*atlas_v"):
        load_surface_file(tmp_path / "less.npz")
    bad = dict(np.load(REFERENCE)) | {"subdiv_index": np.full(2140, 9999)}
    np.savez(tmp_path / "bad.npz", **bad)
    with pytest.raises(ValueError, match=r"bad\.npz|names mesh vertex"):
        surface_from_reference_body(tmp_path / "bad.npz")
