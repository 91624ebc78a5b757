"""Vertices of boxes: the mesh of each category, masks, sizes."""

import numpy as np
import pytest
import torch

from mmktn.models.embedding import SurfaceEmbedder
from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.postprocess import VertexDecoder
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.structures import ChartOutput
from mmktn.surface.reference_mesh import ReferenceMesh


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


def with_mirror(num_vertices=60, dim=4, seed=0):
    """Random unit vectors of a mesh whose vertices 2 k and 2 k + 1 mirror each other, but for the
    last ten, which lie in the middle."""
    torch.manual_seed(seed)
    made = SurfaceEmbedder({f"ape_{num_vertices}": {"kind": "direct"}}, dim=dim)
    made.embedders[f"ape_{num_vertices}"].embeddings.data.normal_()
    mirror = np.arange(num_vertices) ^ 1
    mirror[-10:] = np.arange(num_vertices - 10, num_vertices)
    made.use_meshes({f"ape_{num_vertices}": ReferenceMesh("ape", {"mirror": mirror})})
    decoder = VertexDecoder(f"ape_{num_vertices}")
    decoder.bind(made)
    return decoder, made(f"ape_{num_vertices}").detach(), torch.from_numpy(mirror)


@pytest.mark.parametrize("mirrored", [[False, True], [True], [True, False, True], [False, False]])
def test_views_agree_on_the_vertex_of_least_total_distance(mirrored):
    """Compared with every vertex outright; mirrored views with those of the mirrored body."""
    decoder, vectors, mirror = with_mirror()
    side = 12
    box = torch.tensor([[0.0, 0.0, side, side]])  # a cell is a pixel
    coarse = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(-1, -1, side, side)
    views = [
        ChartOutput(coarse_segm=coarse, embedding=3 * torch.randn(1, 4, side, side))
        for _ in mirrored
    ]
    mean = average_views(views, mirrored=mirrored, rules=lambda: surface_flip_rules(None))
    total = torch.zeros(len(vectors), side, side)
    for view, flip in zip(views, mirrored, strict=True):
        pixels = view["embedding"][0]
        pixels = (pixels / pixels.norm(dim=0)).permute(1, 2, 0)
        if flip:
            pixels, seen = pixels.flip(1), vectors[mirror]
        else:
            seen = vectors
        total += (seen[:, None, None] - pixels).square().sum(dim=-1)
    (found,) = decoder.decode(mean, box)["vertices"]
    assert torch.equal(found.vertex_map.long(), total.argmin(dim=0))


def test_a_mirrored_view_needs_the_mirror_of_the_mesh():
    made = decoder("cat_4")
    views = [output(), output()]
    mean = average_views(views, mirrored=[False, True], rules=lambda: surface_flip_rules(None))
    with pytest.raises(ValueError, match=r"mirror of mesh 'cat_4': .*leave the flips out"):
        made.decode(mean, BOXES)
