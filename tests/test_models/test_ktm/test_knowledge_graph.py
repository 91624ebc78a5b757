import numpy as np
import pytest
import torch

from mmktn.models.ktm import KnowledgeGraph
from mmktn.surface.relations import structural_relation

NODES = {"keypoint": 17, "box": 6, "part": 15}


def test_structural_matrices_are_the_transposed_rules():
    graph = KnowledgeGraph(NODES)
    for source in NODES:
        expected = torch.from_numpy(structural_relation(source)).float().t()
        assert torch.equal(graph.relations[source], expected)
    assert graph.relations["keypoint"].shape == (25, 17)
    # No relation to the background at the start.
    assert not any(relation[0].any() for relation in graph.relations.values())


def test_mixing_is_a_matrix_product_and_learns():
    graph = KnowledgeGraph({"keypoint": 17}, "random").double()
    rows = torch.rand(17, 6, dtype=torch.float64)
    mixed = graph("keypoint", rows)
    torch.testing.assert_close(mixed, graph.relations["keypoint"] @ rows)
    mixed.sum().backward()
    assert graph.relations["keypoint"].grad.any()


def test_relations_can_be_fixed():
    graph = KnowledgeGraph(NODES, trainable=False)
    assert not any(p.requires_grad for p in graph.parameters())


def test_matrices_may_be_given():
    matrix = np.arange(3 * 25).reshape(3, 25)
    graph = KnowledgeGraph({"keypoint": 3}, "matrix", matrices={"keypoint": matrix.tolist()})
    assert torch.equal(graph.relations["keypoint"], torch.from_numpy(matrix).float().t())


def test_random_start_has_the_official_spread():
    torch.manual_seed(0)
    relation = KnowledgeGraph({"keypoint": 170}, "random").relations["keypoint"]
    assert relation.std().item() == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relation_source": "glove"}, "relation_source.*'glove'"),
        ({"relation_source": "matrix"}, "nothing is given for the source 'keypoint'"),
        (
            {"relation_source": "matrix", "matrices": {"keypoint": [[0.0] * 24] * 17}},
            r"'keypoint': shape \(17, 24\), not \(17, 25\)",
        ),
    ],
    ids=["unknown", "absent", "shape"],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        KnowledgeGraph(NODES, **options)


def test_structural_rules_need_the_coco_keypoints():
    with pytest.raises(ValueError, match=r"'keypoint': shape \(17, 25\), not \(14, 25\)"):
        KnowledgeGraph({"keypoint": 14})
