"""Vectors of vertices: kinds, files, names; losses where there is nothing to learn."""

import numpy as np
import pytest
import torch

from mmktn.models.embedding import EmbeddingLoss, SurfaceEmbedder
from mmktn.models.targets import build_chart_targets
from mmktn.structures import ChartOutput, DensePoseAnnotation, DensePoseAnnotations
from mmktn.surface.reference_mesh import ReferenceMesh


def annotation(mesh="cat_4", vertices=(0, 3)):
    return DensePoseAnnotation(
        point_xy=torch.zeros(0, 2),
        point_charts=torch.zeros(0, dtype=torch.int64),
        point_uv=torch.zeros(0, 2),
        mesh=mesh,
        vertex_xy=torch.full((len(vertices), 2), 0.5),
        vertices=torch.tensor(vertices),
    )


def losses(annotations, embedder, loss, **options):
    boxes = torch.tensor([[0.0, 0, 10, 10]] * len(annotations))
    targets = build_chart_targets(boxes, boxes, DensePoseAnnotations(annotations), **options)
    maps = torch.randn(len(annotations), 3, 6, 6, requires_grad=True)
    return maps, loss(ChartOutput(embedding=maps), targets, embedder)


def test_features_come_from_the_file_before_training():
    embedder = SurfaceEmbedder({"cat_4": {"num_features": 2}}, dim=3)
    assert not embedder("cat_4").any()
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    embedder.use_meshes({"cat_4": ReferenceMesh("cat_4", {"features": {"features": features}})})
    embedder.init_weights()
    torch.testing.assert_close(embedder.embedders["cat_4"].features, torch.from_numpy(features))
    embedder.embedders["cat_4"].embeddings.data.fill_(1)
    torch.testing.assert_close(embedder("cat_4").norm(dim=1), torch.ones(4))
    names = {name for name, _ in embedder.named_parameters()}
    assert names == {"embedders.cat_4.embeddings"}


def test_features_of_another_number_are_refused():
    embedder = SurfaceEmbedder({"cat_4": {"num_features": 2}}, dim=3)
    wrong = {"features": np.zeros((5, 2), np.float32)}
    embedder.use_meshes({"cat_4": ReferenceMesh("cat_4", {"features": wrong})})
    with pytest.raises(ValueError, match=r"cat_4.*\(5, 2\).*\(4, 2\)"):
        embedder.init_weights()


def test_a_missing_file_is_named_with_its_address():
    embedder = SurfaceEmbedder({"cat_4": {}}, dim=3)
    with pytest.raises(FileNotFoundError, match=r"phi_cat_4_256\.pkl"):
        embedder.init_weights()


def test_zero_vectors_cost_the_logarithm_of_the_number_of_vertices():
    embedder = SurfaceEmbedder({"cat_4": {"kind": "direct"}}, dim=3)
    _, found = losses([annotation()], embedder, EmbeddingLoss(weight=1.0))
    assert float(found["loss_embedding_cat_4"]) == pytest.approx(np.log(4))
    found["loss_embedding_cat_4"].backward()
    assert embedder.embedders["cat_4"].embeddings.grad.isfinite().all()


def test_an_unknown_mesh_is_named():
    embedder = SurfaceEmbedder({"cat_4": {"kind": "direct"}}, dim=3)
    with pytest.raises(ValueError, match="'dog_7'"):
        losses([annotation("dog_7")], embedder, EmbeddingLoss())


def test_a_vertex_beyond_the_mesh_is_named():
    embedder = SurfaceEmbedder({"cat_4": {"kind": "direct"}}, dim=3)
    with pytest.raises(ValueError, match="dp_vertex 9: cat_4 has 4"):
        losses([annotation(vertices=(9,))], embedder, EmbeddingLoss())


def test_without_points_everything_is_zero_and_connected():
    embedder = SurfaceEmbedder({"cat_4": {"kind": "direct"}, "dog_3": {"kind": "direct"}}, dim=3)
    loss = EmbeddingLoss(soft=True, shape_cycle={}, pixel_cycle={})
    maps, found = losses([DensePoseAnnotation.without_densepose()], embedder, loss)
    assert set(found) == {
        "loss_embedding_cat_4", "loss_embedding_dog_3", "loss_shape_cycle", "loss_pixel_cycle",
    }  # fmt: skip
    assert not any(map(float, found.values()))
    sum(found.values()).backward()
    assert not maps.grad.any()


def test_unknown_vertices_are_left_out_on_request():
    embedder = SurfaceEmbedder({"cat_4": {"kind": "direct"}}, dim=3)
    table = np.abs(np.arange(4)[:, None] - np.arange(4)).astype(np.float32)
    embedder.use_meshes({"cat_4": ReferenceMesh("cat_4", {"geodesics": table})})
    torch.nn.init.normal_(embedder.embedders["cat_4"].embeddings)
    torch.manual_seed(0)
    _, known = losses([annotation(vertices=(1, 1))], embedder, EmbeddingLoss(soft=True))
    torch.manual_seed(0)
    loss = EmbeddingLoss(soft=True, drop_unknown=True)
    _, dropped = losses([annotation(vertices=(1, -1))], embedder, loss)
    assert float(known["loss_embedding_cat_4"]) == pytest.approx(
        float(dropped["loss_embedding_cat_4"])
    )
    torch.manual_seed(0)
    _, official = losses([annotation(vertices=(1, -1))], embedder, EmbeddingLoss(soft=True))
    assert float(official["loss_embedding_cat_4"]) != pytest.approx(
        float(known["loss_embedding_cat_4"])
    )


def test_every_pair_of_meshes_has_its_turn():
    loss = EmbeddingLoss(shape_cycle={})
    drawn = [loss.draw_pair(["a", "b", "c"]) for _ in range(6)]
    assert {*drawn[:3]} == {*drawn[3:]} == {("a", "b"), ("a", "c"), ("b", "c")}
