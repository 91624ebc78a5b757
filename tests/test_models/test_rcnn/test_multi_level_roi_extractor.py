import pytest
import torch

from mmktn.models.rcnn import MultiLevelRoIExtractor


def test_every_box_is_pooled_from_every_level_where_it_lies():
    # Levels hold the x coordinate of their cells' corners in image pixels: a pooled cell then
    # holds the mean x of its samples, which are spread evenly, up to half a cell of the level.
    strides, sizes = (4, 8), (4, 2)
    levels = [
        (torch.arange(64 // s) * float(s)).expand(1, 1, 64 // s, -1).contiguous() for s in strides
    ]
    rois = torch.tensor([[0, 8.0, 8.0, 40.0, 40.0], [0, 16.0, 8.0, 32.0, 24.0]])
    pooled = MultiLevelRoIExtractor(sizes, strides, out_channels=1)(levels, rois)
    assert [tuple(p.shape) for p in pooled] == [(2, 1, 4, 4), (2, 1, 2, 2)]
    for maps, size in zip(pooled, sizes, strict=True):
        for roi, values in zip(rois, maps[:, 0], strict=True):
            width = float(roi[3] - roi[1]) / size
            centres = roi[1] + width * (torch.arange(size) + 0.5)
            torch.testing.assert_close(values, centres.expand(size, -1))


def test_one_size_a_level_is_needed():
    with pytest.raises(ValueError, match=r"\[28, 14\].*\[4, 8, 16, 32\]"):
        MultiLevelRoIExtractor([28, 14])
