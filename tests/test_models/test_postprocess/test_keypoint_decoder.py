"""Keypoints from heat-maps: places by hand, and the target rule turned round."""

import pytest
import torch

from mmktn.models.postprocess import KeypointDecoder
from mmktn.structures import ChartOutput
from mmktn.structures.box_grid import image_to_keypoint_cells


def heatmaps(cells: torch.Tensor, side: int = 56, height: float = 20.0) -> ChartOutput:
    """Maps (N, K, side, side) with one peak at each flat cell (N, K)."""
    maps = torch.zeros(*cells.shape, side * side)
    maps.scatter_(2, cells[..., None], height)
    return ChartOutput(keypoint_heatmaps=maps.view(*cells.shape, side, side))


def test_a_peak_by_hand():
    # 4 x 4 cells over a box of 8 x 16 pixels at (10, 20); the peak is row 2, column 1.
    boxes = torch.tensor([[10.0, 20.0, 18.0, 36.0]])
    found = KeypointDecoder(1).decode(heatmaps(torch.tensor([[9]]), side=4), boxes)
    x, y = found["keypoints"][0, 0].tolist()
    # Pixel columns 2 and 3 and rows 8 to 11 lie in the cell; the best of them are at its middle.
    assert 12 <= x <= 14
    assert 28 <= y <= 32


def test_score_is_the_spatial_softmax_of_the_peak():
    # Box of the size of the map: bicubic resizing changes nothing.
    boxes = torch.tensor([[0.0, 0.0, 56.0, 56.0]])
    maps = torch.randn(1, 17, 56, 56, generator=torch.Generator().manual_seed(0))
    found = KeypointDecoder().decode(ChartOutput(keypoint_heatmaps=maps), boxes)
    expected = maps.flatten(2).softmax(dim=2).max(dim=2)
    torch.testing.assert_close(found["keypoint_scores"], expected.values)
    pixel = torch.stack((expected.indices % 56, expected.indices // 56), dim=-1)
    # Pixel indices, as COCO's files have them.
    torch.testing.assert_close(found["keypoints"], pixel.float())


def test_decoding_undoes_the_targets_up_to_half_a_cell():
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([[10.0, 20.0, 90.5, 130.0], [3.25, 7.5, 203.0, 60.0]])
    extent = boxes[:, None, 2:] - boxes[:, None, :2]
    truth = boxes[:, None, :2] + torch.rand(2, 17, 2, generator=generator) * extent
    cells, inside = image_to_keypoint_cells(truth, boxes, (56, 56))
    assert inside.all()
    found = KeypointDecoder().decode(heatmaps(cells), boxes)["keypoints"]
    # Half a cell, and half a pixel of the resized map.
    assert ((found + 0.5 - truth).abs() <= extent / 56 / 2 + 0.51).all()


def test_huge_logits_and_half_precision_stay_finite():
    boxes = torch.tensor([[0.0, 0.0, 30.0, 20.0]])
    maps = 1000 * torch.randn(1, 17, 8, 8, generator=torch.Generator().manual_seed(2))
    for dtype in (torch.float32, torch.bfloat16):
        found = KeypointDecoder().decode(ChartOutput(keypoint_heatmaps=maps.to(dtype)), boxes)
        assert torch.isfinite(found["keypoint_scores"]).all()
        assert found["keypoints"].dtype == torch.float32


def test_no_boxes_and_missing_maps():
    empty = torch.zeros(0, 4)
    for found in (
        KeypointDecoder(14).no_results(empty),
        KeypointDecoder(14).decode(ChartOutput(keypoint_heatmaps=torch.zeros(0, 14, 8, 8)), empty),
    ):
        assert found["keypoints"].shape == (0, 14, 2)
        assert found["keypoint_scores"].shape == (0, 14)
    with pytest.raises(ValueError, match="keypoint_heatmaps is not predicted"):
        KeypointDecoder().decode(ChartOutput(body_mask=torch.zeros(1, 2, 8, 8)), empty)
