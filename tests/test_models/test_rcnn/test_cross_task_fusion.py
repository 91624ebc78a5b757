"""Fusion unit of the cascade: channels, order and the start as the identity."""

import pytest
import torch

from mmktn.models.rcnn import CrossTaskFusion
from mmktn.structures import ChartOutput


def charts(n: int = 2, cells: int = 56) -> ChartOutput:
    generator = torch.Generator().manual_seed(0)
    maps = {
        name: torch.randn(n, count, cells, cells, generator=generator)
        for name, count in (("coarse_segm", 15), ("fine_segm", 25), ("u", 25), ("v", 25))
    }
    return ChartOutput(**maps)


AUXILIARY = {
    90: {},
    91: {"mask_logits": torch.randn(2, 1, 28, 28)},
    107: {"keypoint_heatmaps": torch.randn(2, 17, 56, 56)},
}


@pytest.mark.parametrize("channels", [90, 91, 107])
def test_channels_of_the_combined_predictions(channels):
    x = torch.randn(2, 256, 14, 14)
    fusion = CrossTaskFusion(256, channels, zero_init=False)
    assert fusion.mix.conv.weight.shape == (256, 256 + channels, 3, 3)
    assert fusion(x, charts(), **AUXILIARY[channels]).shape == x.shape


@pytest.mark.parametrize("channels", [90, 91, 107])
def test_starts_as_the_identity(channels):
    x = torch.randn(2, 8, 14, 14)
    fusion = CrossTaskFusion(8, channels, channels=8)
    assert torch.equal(fusion(x, charts(), **AUXILIARY[channels]), x)


def test_all_weights_and_predictions_get_gradients():
    x, maps = torch.randn(2, 8, 14, 14, requires_grad=True), charts()
    maps = maps.map(lambda m: m.requires_grad_())
    fusion = CrossTaskFusion(8, 90, channels=8, zero_init=False)
    fusion(x, maps).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in fusion.parameters())
    assert all(m.grad.abs().sum() > 0 for _, m in maps.items())
    assert x.grad is not None


def test_predictions_are_probabilities_in_order_pooled_by_the_mean():
    fusion = CrossTaskFusion(1, 107, channels=107, zero_init=False)
    maps = charts(cells=56)
    keypoints = torch.randn(2, 17, 56, 56)
    combined = fusion.combine(maps, None, keypoints)
    assert [m.shape[1] for m in combined] == [15, 25, 25, 25, 17]
    torch.testing.assert_close(combined[0].sum(dim=1), torch.ones(2, 56, 56))
    assert combined[2] is maps["u"]
    torch.testing.assert_close(combined[4], keypoints.sigmoid())
    # The centre tap alone, one output channel per prediction: the mean over 4 x 4 cells.
    with torch.no_grad():
        fusion.mix.conv.weight.zero_()
        fusion.mix.conv.weight[range(107), range(1, 108), 1, 1] = 1
        fusion.output.weight.zero_()
        fusion.output.weight[0, 20] = 1  # channel 20 of Z: chart 5
    found = fusion(torch.zeros(2, 1, 14, 14), maps, keypoint_heatmaps=keypoints)
    expected = maps["fine_segm"].softmax(dim=1)[:, 5].reshape(2, 14, 4, 14, 4).mean(dim=(2, 4))
    torch.testing.assert_close(found[:, 0], expected)


def test_no_roi():
    fusion = CrossTaskFusion(8, 90, channels=8)
    assert fusion(torch.zeros(0, 8, 14, 14), charts(0)).shape == (0, 8, 14, 14)


def test_wrong_number_of_channels_is_named():
    fusion = CrossTaskFusion(8, 107, channels=8)
    with pytest.raises(ValueError, match=r"prediction_channels=107, but .* 90 channels"):
        fusion(torch.zeros(2, 8, 14, 14), charts())
