from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from mmktn.surface import load_surface
from mmktn.surface.mesh_map import MeshMap, anny_places
from mmktn.surface.rasterize import rasterize
from mmktn.utils.user_error import UserError

DATA = Path(__file__).parents[1] / "data" / "anny_person.npz"
MATRIX = np.array([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])


def written(folder, form):
    if form == "ids.npy":
        np.save(folder / form, np.array([2, 0]))
    elif form == "sparse.npz":
        sparse.save_npz(folder / form, sparse.csr_matrix(MATRIX))
    else:
        corners = np.array([[0, 1], [2, 2]])
        np.savez(folder / form, corners=corners, weights=[[0.25, 0.75], [1, 0]], num_source=3)
    return MeshMap.read(folder / form)


@pytest.mark.parametrize("form", ["ids.npy", "sparse.npz", "places.npz"])
def test_all_forms_carry_vertices_over(tmp_path, form):
    points = np.random.default_rng(0).random((4, 3, 3))
    wanted = points[:, [2, 0]] if form == "ids.npy" else MATRIX @ points
    found = written(tmp_path, form)
    assert (found.num_source, found.num_target) == (3, 2)
    np.testing.assert_allclose(found.apply(points), wanted, atol=1e-12)
    with pytest.raises(UserError, match="mesh of 3"):
        found.apply(np.zeros((5, 3)))


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"corners": [[0, 7]], "weights": [[0.5, 0.5]], "num_source": 3}, "0..7 of 3"),
        ({"corners": [[0, 1]], "weights": [[0.5, 0.2]], "num_source": 3}, "sum to 1"),
        ({"corners": [[0, 1]], "weights": [0.5], "num_source": 3}, "same"),
        ({"corners": [[0, 1]], "weights": [[0.5, 0.5]]}, "num_source"),
        ({"corners": [[0.5, 1]], "weights": [[0.5, 0.5]], "num_source": 3}, "need vertex ids"),
        ({"corners": np.zeros((0, 3), int), "weights": np.zeros((0, 3)), "num_source": 3}, "least"),
        ({"corners": [[0, 1]], "weights": [["a", "b"]], "num_source": 3}, "could not convert"),
        (
            {"data": [1.0], "indices": [], "indptr": [0, 1], "shape": [1, 1], "format": b"csr"},
            "index 0 is out of bounds",
        ),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path, arrays, match):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=match) as error:
        MeshMap.read(tmp_path / "bad.npz")
    assert "bad.npz" in str(error.value)


def test_a_sparse_matrix_has_to_be_csr_without_empty_rows(tmp_path):
    sparse.save_npz(tmp_path / "a.npz", sparse.coo_matrix(MATRIX))
    with pytest.raises(UserError, match="correspondence"):
        MeshMap.read(tmp_path / "a.npz")
    sparse.save_npz(tmp_path / "b.npz", sparse.csr_matrix(np.array([[0.0, 0], [1, 0]])))
    with pytest.raises(UserError, match="empty row"):
        MeshMap.read(tmp_path / "b.npz")


def test_an_anny_person_becomes_the_same_person_with_charts():
    """Silhouettes of Anny's own triangles and of the human body's, laid onto them."""
    with np.load(DATA) as archive:
        person, faces = archive["vertices"] / 1e4, archive["faces"].astype(np.int64)
    body = load_surface()
    masks = []
    for vertices, triangles in (
        (person, faces),
        (anny_places().apply(person), body.atlas.mesh_faces),
    ):
        x, y, z = vertices.T
        image = np.stack([150 + 200 * x, 400 - 200 * y, 5 - z], axis=1)
        masks.append(rasterize(image, triangles, height=420, width=300).hit)
    assert masks[0].sum() > 5000
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.98
