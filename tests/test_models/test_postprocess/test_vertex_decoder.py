"""Vertices of boxes: the mesh of each category, masks, sizes."""

import pytest
import torch

from mmktn.models.embedding import SurfaceEmbedder
from mmktn.models.postprocess import VertexDecoder
from mmktn.structures import ChartOutput


def embedder():
    found = SurfaceEmbedder({n: {"kind": "direct"} for n in ("cat_4", "dog_3")}, dim=4)
    found.embedders["cat_4"].embeddings.data = torch.eye(4)
    found.embedders["dog_3"].embeddings.data = torch.eye(4)[[3, 2, 1]]
    return found


def decoder(meshes, **options):
    made = VertexDecoder(meshes, **options)
    made.bind(embedder())
    return made


def output():
    """Two boxes whose left half shows direction 1, the right one 3; the top row is background."""
    embedding = torch.zeros(2, 4, 4, 4)
    embedding[:, 1, :, :2] = 5
    embedding[:, 3, :, 2:] = 5
    coarse = torch.zeros(2, 2, 4, 4)
    coarse[:, 1] = 1
    coarse[:, 1, 0] = -1
    return ChartOutput(coarse_segm=coarse, embedding=embedding)


BOXES = torch.tensor([[10.0, 20, 14, 24], [0.0, 0, 4.9, 4.2]])


def test_each_category_has_its_mesh():
    made = decoder(["cat_4", "dog_3"])
    cat, dog = made.decode(output(), BOXES, labels=torch.tensor([0, 1]))["vertices"]
    assert (cat.mesh, dog.mesh) == ("cat_4", "dog_3")
    assert list(cat.vertices) == ["cat_4"]
    assert cat.vertex_map.tolist() == [[-1] * 4] + [[1, 1, 3, 3]] * 3
    assert dog.vertex_map.tolist() == [[-1] * 4] + [[2, 2, 0, 0]] * 3
    assert cat.xy == (10, 20)


def test_all_meshes_on_request():
    (found, _) = decoder("dog_3", all_meshes=True).decode(output(), BOXES)["vertices"]
    assert found.mesh == "dog_3"
    assert set(found.vertices) == {"cat_4", "dog_3"}


def test_a_box_without_category_is_refused_where_meshes_differ():
    with pytest.raises(ValueError, match="boxes without a category"):
        decoder(["cat_4", "dog_3"]).decode(output(), BOXES)
    with pytest.raises(ValueError, match="category 2"):
        decoder(["cat_4", "dog_3"]).decode(output(), BOXES, labels=torch.tensor([0, 2]))


def test_no_boxes_have_no_results():
    made = decoder(["cat_4", "dog_3"])
    assert len(made.decode(output()[:0], BOXES[:0])["vertices"]) == 0


def test_a_mesh_that_the_model_lacks_is_named():
    with pytest.raises(ValueError, match="'cow_2'"):
        decoder("cow_2")
    with pytest.raises(ValueError, match="embedder"):
        VertexDecoder("cat_4").bind(None)
