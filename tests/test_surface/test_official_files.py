from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mmktn.surface import load_surface
from mmktn.surface.io import import_official_folder, surface_from_reference_body
from tests.test_surface.official_writer import write_official_folder, write_symmetry

REFERENCE = Path(__file__).parents[1] / "data" / "reference" / "metrics"


@pytest.fixture(scope="module")
def body():
    return surface_from_reference_body(REFERENCE / "body.npz")


@pytest.fixture(scope="module")
def source(body, tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    write_official_folder(folder, body, body.geodesics.condensed)
    return folder


@pytest.fixture
def folder(source, tmp_path):
    """A copy that a test may damage; the distance file is linked, not copied."""
    for file in source.iterdir():
        if file.suffix == ".pkl":
            (tmp_path / file.name).symlink_to(file)
        else:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_folder_gives_the_same_surface(body, folder, tmp_path):
    surface = import_official_folder(folder, cache_dir=tmp_path / "cache")
    atlas = surface.atlas
    np.testing.assert_array_equal(atlas.mesh_vertex, body.atlas.mesh_vertex)
    np.testing.assert_array_equal(atlas.charts, body.atlas.charts)
    np.testing.assert_array_equal(atlas.uv, body.atlas.uv)
    np.testing.assert_array_equal(atlas.faces, body.atlas.faces)
    np.testing.assert_allclose(surface.mesh.vertices, body.mesh.vertices)
    np.testing.assert_array_equal(surface.geodesics.condensed, body.geodesics.condensed)
    assert isinstance(surface.geodesics.condensed, np.memmap)
    np.testing.assert_array_equal(surface.base_atlas.faces, body.atlas.faces)
    assert load_surface(folder).num_mesh_vertices == body.num_mesh_vertices


def test_imported_surface_scores_the_official_probes(folder, tmp_path):
    steps = np.load(REFERENCE / "dp_steps.npz")
    surface = import_official_folder(folder, cache_dir=tmp_path / "cache")
    found = surface.atlas.nearest_mesh_vertex(steps["cv_I"], steps["cv_U"], steps["cv_V"])
    np.testing.assert_array_equal(found + 1, steps["cv_unique_1based"].ravel())
    a, b = steps["gd_a"].ravel().astype(int), steps["gd_b"].ravel().astype(int)
    distance = surface.geodesics.distance(a[a > 0] - 1, b[a > 0] - 1)
    np.testing.assert_allclose(distance, steps["gd_dist_for_a_nonzero"], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float64])
def test_index_of_any_width_does_not_wrap(body, folder, dtype):
    file = folder / "SMPL_SUBDIV_TRANSFORM.mat"
    savemat(file, {"index": (body.atlas.mesh_vertex[None] + 1).astype(dtype)})
    assert loadmat(file)["index"].dtype == dtype
    surface = import_official_folder(folder)
    assert surface.atlas.mesh_vertex.dtype == np.int64
    np.testing.assert_array_equal(surface.atlas.mesh_vertex, body.atlas.mesh_vertex)


def test_symmetry_tables_are_taken_as_they_stand(folder):
    symmetry = import_official_folder(folder).symmetry
    u, v = symmetry.flip_uv([4, 5], [0.2, 0.2], [0.4, 0.4])
    np.testing.assert_allclose(u, [1 - 0.2, 0.2], atol=1e-6)
    np.testing.assert_allclose(v, [0.4 * 4 / 24, 0.4 * 5 / 24], atol=1e-6)


def test_scoring_needs_two_files_and_distances_only_when_asked(folder):
    for name in ("UV_Processed.mat", "UV_symmetry_transforms.mat", "Pdist_matrix.pkl"):
        (folder / name).unlink()
    surface = import_official_folder(folder)
    assert surface.symmetry is None
    assert surface.base_atlas is None
    with pytest.raises(ValueError, match="has no symmetry"):
        surface.require("mesh", "symmetry")
    with pytest.raises(FileNotFoundError, match=r"Pdist_matrix\.pkl is missing.*densepose/data"):
        _ = surface.geodesics


def test_base_mesh_alone_is_a_surface_without_distances(folder):
    for name in ("SMPL_subdiv.mat", "SMPL_SUBDIV_TRANSFORM.mat", "Pdist_matrix.pkl"):
        (folder / name).unlink()
    surface = import_official_folder(folder)
    faces, weights = surface.atlas.locate([2], [0.5], [0.5])
    assert surface.atlas.interpolate(faces, weights)[0].tolist() == [2]
    with pytest.raises(ValueError, match="neither distances nor a mesh"):
        _ = surface.geodesics


@pytest.mark.parametrize("name", ["SMPL_subdiv.mat", "SMPL_SUBDIV_TRANSFORM.mat"])
def test_missing_half_of_the_pair_is_named_with_its_origin(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing.*https://"):
        import_official_folder(folder)


def test_blanked_positions_give_no_mesh_but_charts(body, folder):
    file = folder / "SMPL_subdiv.mat"
    content = {k: v for k, v in loadmat(file).items() if not k.startswith("__")}
    content["vertex"] = np.zeros_like(content["vertex"])
    savemat(file, content)
    surface = import_official_folder(folder)
    assert surface.mesh is None
    assert len(surface.atlas.faces) == len(body.atlas.faces)


def test_faces_that_do_not_fit_are_left_out_with_a_warning(folder):
    file = folder / "SMPL_subdiv.mat"
    content = {k: v for k, v in loadmat(file).items() if not k.startswith("__")}
    content["faces"] = content["faces"][:, ::-1] + 1000
    savemat(file, content)
    with pytest.warns(UserWarning, match="'faces'.*left out"):
        surface = import_official_folder(folder)
    assert surface.atlas.faces.shape == (0, 3)


def _change(folder, file, **fields):
    content = {k: v for k, v in loadmat(folder / file).items() if not k.startswith("__")}
    for name, value in fields.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    savemat(folder / file, content)


@pytest.mark.parametrize(
    ("file", "fields", "text"),
    [
        ("SMPL_subdiv.mat", {"U_subdiv": None}, "field 'U_subdiv' is missing"),
        ("SMPL_subdiv.mat", {"V_subdiv": np.zeros((3, 1))}, "lengths differ"),
        (
            "SMPL_subdiv.mat",
            {"U_subdiv": np.full((2140, 1), 1.5)},
            r"'U_subdiv' must lie in \[0, 1\]",
        ),
        ("SMPL_subdiv.mat", {"Part_ID_subdiv": np.full((2140, 1), 25)}, "charts must lie"),
        ("SMPL_SUBDIV_TRANSFORM.mat", {"index": np.ones((5, 1))}, "'index' has 5 entries"),
        ("SMPL_SUBDIV_TRANSFORM.mat", {"index": np.zeros((2140, 1))}, "whole numbers from 1 on"),
        ("SMPL_SUBDIV_TRANSFORM.mat", {"index": np.ones((4, 5))}, "one row or column"),
        ("UV_Processed.mat", {"All_Faces": np.ones((4, 4))}, r"'All_Faces' must be \(m, 3\)"),
        ("UV_Processed.mat", {"All_Faces": None}, "field 'All_Faces' is missing"),
        ("UV_Processed.mat", {"All_FaceIndices": np.ones((7, 1))}, "lengths differ"),
        ("UV_symmetry_transforms.mat", {"U_transforms": np.zeros((3, 3))}, "cell of 24 tables"),
        ("UV_symmetry_transforms.mat", {"V_transforms": None}, "'V_transforms' is missing"),
    ],
)
def test_malformed_fields_are_named(folder, file, fields, text):
    _change(folder, file, **fields)
    with pytest.raises(ValueError, match=rf"{file}: .*{text}"):
        import_official_folder(folder)


def test_files_that_are_no_matlab_files_are_named(folder):
    (folder / "SMPL_subdiv.mat").write_bytes(b"not a mat file" * 40)
    with pytest.raises(ValueError, match=r"SMPL_subdiv\.mat: not a readable MATLAB file"):
        import_official_folder(folder)


def test_matlab_73_files_are_named(folder):
    (folder / "UV_Processed.mat").write_bytes(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x00" * 64
    )
    with pytest.raises(ValueError, match=r"UV_Processed\.mat: MATLAB 7\.3"):
        import_official_folder(folder)


def test_wrong_tables_are_named(tmp_path, folder):
    cells = np.zeros((1, 24), dtype=object)
    for k in range(24):
        cells[0, k] = np.zeros((255, 256))
    savemat(folder / "UV_symmetry_transforms.mat", {"U_transforms": cells, "V_transforms": cells})
    with pytest.raises(ValueError, match=r"UV_symmetry_transforms\.mat: tables .* 256 x 256"):
        import_official_folder(folder)


def test_distances_of_another_mesh_are_refused(body, folder, tmp_path):
    from tests.test_surface.official_writer import python2_pickle

    (folder / "Pdist_matrix.pkl").unlink()
    (folder / "Pdist_matrix.pkl").write_bytes(python2_pickle(np.ones((10, 1), np.float32)))
    surface = import_official_folder(folder, cache_dir=tmp_path / "cache")
    with pytest.raises(ValueError, match="distances of 5 vertices, the mesh has 1746"):
        _ = surface.geodesics


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        import_official_folder(tmp_path / "gone")
    write_symmetry(tmp_path / "UV_symmetry_transforms.mat")
    with pytest.raises(FileNotFoundError, match=r"SMPL_subdiv\.mat"):
        import_official_folder(tmp_path)
