"""Mirroring raw maps."""

import pytest
import torch

from mmktn.structures import ChartOutput, FlipRules
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface


@pytest.fixture(scope="module")
def rules():
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface("human").symmetry.flip_uv)


def maps(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def rand(channels):
        return torch.rand(2, channels, 3, 5, generator=generator)

    return ChartOutput(
        fine_segm=rand(25),
        u=rand(25),
        v=rand(25),
        coarse_segm=rand(15),
        body_mask=rand(2),
        keypoint_heatmaps=rand(17),
    )


def test_flip_twice_is_the_identity_up_to_a_table_step(rules):
    before = maps()
    after = before.flip(rules).flip(rules)
    for (name, a), (_, b) in zip(before.items(), after.items(), strict=True):
        atol = 1 / 255 if name in "uv" else 0
        torch.testing.assert_close(a, b, atol=atol, rtol=0)


def test_flip_by_hand(rules):
    before = maps()
    after = before.flip(FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, lambda c, u, v: (v, u)))
    assert (
        after["fine_segm"][0, 4, 1, 0] == before["fine_segm"][0, 3, 1, 4]
    )  # right hand -> left hand
    assert after["u"][0, 4, 1, 0] == before["v"][0, 3, 1, 4]
    assert after["v"][1, 2, 1, 0] == before["u"][1, 2, 1, 4]  # torso keeps its channel
    assert after["coarse_segm"][0, 2, 1, 0] == before["coarse_segm"][0, 3, 1, 4]
    assert after["body_mask"][0, 1, 1, 0] == before["body_mask"][0, 1, 1, 4]
    assert after["keypoint_heatmaps"][0, 5, 1, 0] == before["keypoint_heatmaps"][0, 6, 1, 4]


def test_two_way_masks_keep_their_channels(rules):
    output = maps()
    output = output.replace(coarse_segm=output["body_mask"])
    assert torch.equal(output.flip(rules)["coarse_segm"], output["coarse_segm"].flip(-1))


def test_flip_needs_tables():
    with pytest.raises(ValueError, match="UV symmetry tables"):
        maps().flip(FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None))
