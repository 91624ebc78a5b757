"""Raw maps: optional members, indexing, joining."""

import pytest
import torch

from mmktn.structures import ChartOutput, FlipRules
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP


def make(n=3, **extra):
    maps = {name: torch.randn(n, 25, 4, 6) for name in ("fine_segm", "u", "v")}
    return ChartOutput(**maps, **extra)


def test_fields_lists_present_maps_in_order():
    output = make(coarse_segm=torch.zeros(3, 2, 4, 6))
    assert [name for name, _ in output.items()] == ["fine_segm", "u", "v", "coarse_segm"]
    assert output.map_hw == (4, 6)
    assert len(output) == 3


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, [1]),
        (-1, [2]),
        (slice(0, 2), [0, 1]),
        (torch.tensor([True, False, True]), [0, 2]),
        ([], []),
    ],
)
def test_indexing_selects_instances_of_all_maps(index, expected):
    output = make(keypoint_heatmaps=torch.randn(3, 17, 8, 8))
    chosen = output[index]
    assert "body_mask" not in chosen
    assert chosen.get("body_mask") is None
    for name, maps in chosen.items():
        assert torch.equal(maps, output[name][expected])


def test_index_out_of_range():
    with pytest.raises(IndexError, match="index 3 for 3 instances"):
        make()[3]


def test_cat_and_split_are_inverse():
    output = make(body_mask=torch.randn(3, 2, 4, 6))
    joined = ChartOutput.cat([output[:1], output[1:]])
    assert all(torch.equal(maps, output[name]) for name, maps in joined.items())


def test_cat_rejects_different_maps_and_nothing():
    with pytest.raises(ValueError, match="different maps"):
        ChartOutput.cat([make(), make(body_mask=torch.zeros(3, 2, 4, 6))])
    with pytest.raises(ValueError, match="at least one"):
        ChartOutput.cat([])


def test_map_to_and_detach_reach_every_map():
    output = make(body_mask=torch.randn(3, 2, 4, 6).requires_grad_())
    assert {m.dtype for _, m in output.to(torch.float64).items()} == {torch.float64}
    assert not output.detach()["body_mask"].requires_grad
    assert torch.equal(output.map(lambda maps: maps * 2)["u"], output["u"] * 2)


def test_no_instances():
    empty = make(0)
    assert len(empty) == 0
    assert len(ChartOutput.cat([empty, empty])) == 0


def test_keypoints_alone_are_flipped_without_tables_of_a_surface():
    maps = torch.randn(2, 17, 4, 6)
    rules = FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None)
    flipped = ChartOutput(keypoint_heatmaps=maps).flip(rules)["keypoint_heatmaps"]
    assert torch.equal(flipped, maps.flip(-1)[:, torch.tensor(KEYPOINT_FLIP)])
    with pytest.raises(ValueError, match="symmetry tables"):
        make().flip(rules)
