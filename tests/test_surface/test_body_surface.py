import numpy as np
import pytest

from mmktn.surface import BodySurface, GeodesicTable, load_surface
from mmktn.surface.io import save_surface
from tests.test_surface.conftest import icosphere, two_charts


def _surface(**parts) -> BodySurface:
    return BodySurface(two_charts(), 6, name="two", **parts)


def test_geodesics_are_made_once_when_first_asked():
    calls = []

    def make() -> GeodesicTable:
        calls.append(1)
        return GeodesicTable(np.arange(15.0), 6)

    surface = _surface(geodesics=make)
    assert not calls
    assert surface.geodesics is surface.geodesics
    assert len(calls) == 1


def test_geodesics_come_from_the_mesh_where_none_are_given(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path))
    mesh = icosphere(0)
    surface = BodySurface(two_charts(), 12, name="ball", mesh=mesh)
    assert surface.geodesics.num_vertices == 12
    assert list((tmp_path / "geodesics").glob(f"{mesh.hash}*"))


def test_missing_parts_are_named():
    with pytest.raises(ValueError, match="'two' has neither distances nor a mesh"):
        _ = _surface().geodesics
    with pytest.raises(ValueError, match="'two' has no skeleton"):
        _surface().require("skeleton")
    with pytest.raises(ValueError, match="has no keypoints"):
        _surface().require("keypoints")
    surface = _surface(vertex_mirror=np.arange(6))
    assert surface.require("vertex_mirror") is surface


def test_missing_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data': not 'human'") as error:
        load_surface(tmp_path / "data")
    for hint in ("SMPL_subdiv.mat", "UV_symmetry_transforms.mat", "docs/surface.md", "uv_symmetry"):
        assert hint in str(error.value)


def test_parts_that_do_not_fit_are_named(body):
    with pytest.raises(ValueError, match="names mesh vertex 5, the mesh has 4"):
        BodySurface(two_charts(), 4, name="two")
    with pytest.raises(ValueError, match="mesh has 12 vertices, not 6"):
        _surface(mesh=icosphere(0))
    with pytest.raises(ValueError, match="its own inverse"):
        _surface(vertex_mirror=np.roll(np.arange(6), 1))
    with pytest.raises(ValueError, match="skeleton weights"):
        _surface(skeleton=body.skeleton)
    with pytest.raises(ValueError, match="distances of 3 vertices, the mesh has 6"):
        _ = _surface(geodesics=GeodesicTable(np.zeros(3), 3)).geodesics


def test_load_surface_takes_names_files_and_folders(tmp_path, body):
    assert load_surface() is body
    save_surface(body, tmp_path / "body.npz")
    assert load_surface(tmp_path / "body.npz").mesh.hash == body.mesh.hash
    with pytest.raises(FileNotFoundError, match="'smpl': not 'human'"):
        load_surface("smpl")
