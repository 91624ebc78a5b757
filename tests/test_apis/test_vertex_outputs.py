"""What users get of vertices: I, U, V, npz, colours."""

import numpy as np
import pytest
import torch

from mmktn.apis.prediction import ImagePrediction, charts_of
from mmktn.structures import VertexResult, VertexResults
from mmktn.surface import load_surface
from mmktn.surface.reference_mesh import body_mesh_name
from mmktn.utils.user_error import UserError
from mmktn.visualization.vertex_drawing import paint_vertices, vertex_colours


def results(mesh):
    mask = torch.tensor([[True, True, False], [True, False, False]])
    vertices = torch.tensor([[10, 11, 0], [12, 0, 0]], dtype=torch.int32)
    return VertexResults([VertexResult(mask, mesh, {mesh: vertices}, xy=(2, 1))])


def prediction(mesh):
    found = results(mesh)
    return ImagePrediction(
        "a.png",
        1,
        (5, 8),
        np.array([[2, 1, 5, 3]], np.float32),
        np.array([0.9], np.float32),
        charts_of(found),
        image=np.full((5, 8, 3), 100, np.uint8),
        further={"vertices": found},
    )


def test_vertices_of_the_body_become_charts_that_name_them_again():
    shown = prediction(body_mesh_name())
    person = shown.densepose[0]
    atlas = load_surface("human").atlas
    rows, columns = np.nonzero(person.labels.numpy())
    assert len(rows) == 3
    uv = person.uv.numpy()[:, rows, columns]
    nearest = atlas.nearest_vertex(person.labels.numpy()[rows, columns], *uv)
    assert atlas.mesh_vertex[nearest].tolist() == [10, 11, 12]
    assert shown.iuv[0, 1:3, 2:5].tolist() == person.labels.tolist()


def test_a_mesh_without_charts_has_a_mask_alone():
    shown = prediction("cat_20")
    assert not shown.densepose[0].labels.any()
    assert shown.densepose[0].mask.sum() == 3


def test_npz_files_hold_vertices(tmp_path):
    prediction("cat_20").save(tmp_path / "a.npz")
    data = np.load(tmp_path / "a.npz")
    assert data["vertices_0"].tolist() == [[10, 11, -1], [12, -1, -1]]
    assert data["meshes"].tolist() == ["cat_20"]


def test_people_are_painted_by_vertices():
    colours = np.zeros((20, 3), np.uint8)
    colours[10:13] = [[200, 0, 0], [0, 200, 0], [0, 0, 200]]
    painted = prediction("cat_20").paint_vertices(colours={"cat_20": colours}, alpha=1.0)
    assert painted[1, 2].tolist() == [200, 0, 0]
    assert painted[2, 2].tolist() == [0, 0, 200]
    assert painted[1, 4].tolist() == [100, 100, 100]
    assert prediction("cat_20").paint_vertices().shape == (5, 8, 3)  # by number, without a file


def test_results_that_leave_the_image_are_cut():
    found = results("cat_20")
    found[0].xy = (-1, 4)
    colours = {"cat_20": np.full((20, 3), 250, np.uint8)}
    painted = paint_vertices(np.zeros((5, 8, 3), np.uint8), found, colours, alpha=1.0)
    assert (painted > 0).any(axis=2).sum() == 1


def test_a_model_without_vertices_says_so():
    with pytest.raises(UserError, match="no vertices"):
        ImagePrediction("a.png", 1).paint_vertices()


def test_numbers_become_colours():
    found = vertex_colours(np.array([0.0, 1.0, 2.0]))
    assert found.shape == (3, 3)
    assert len({tuple(colour) for colour in found.tolist()}) == 3
