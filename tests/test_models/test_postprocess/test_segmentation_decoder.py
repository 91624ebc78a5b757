"""Body and parts at the pixels of a box."""

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.postprocess import ChartDecoder, SegmentationDecoder
from mmktn.structures import ChartOutput

BOXES = torch.tensor([[0.0, 0.0, 20.9, 13.2], [5.0, 5.0, 5.5, 40.0]])


def maps(channels: int, n: int = 2) -> torch.Tensor:
    return torch.randn(n, channels, 8, 8, generator=torch.Generator().manual_seed(channels))


def test_parts_are_the_argmax_of_resized_logits():
    logits = maps(15)
    found = SegmentationDecoder().decode(ChartOutput(coarse_segm=logits), BOXES)[
        "part_segmentation"
    ]
    for result, one, hw in zip(found, logits, [(13, 20), (35, 1)], strict=True):
        resized = F.interpolate(one[None], size=hw, mode="bilinear", align_corners=False)
        assert torch.equal(result.labels, resized[0].argmax(dim=0).to(torch.uint8))


def test_body_is_softmax_above_the_threshold():
    logits = maps(2)
    decoder = SegmentationDecoder("body_mask", "body_segmentation", mask_threshold=0.3)
    found = decoder.decode(ChartOutput(body_mask=logits), BOXES)["body_segmentation"][0]
    resized = F.interpolate(logits[:1], size=(13, 20), mode="bilinear", align_corners=False)
    assert torch.equal(found.labels.bool(), resized[0].softmax(dim=0)[1] > 0.3)


def test_body_is_what_the_chart_decoder_cuts_out():
    charts = torch.zeros(2, 25, 8, 8)
    charts[:, 3] = 1  # chart 3 everywhere
    output = ChartOutput(fine_segm=charts, u=charts, v=charts, body_mask=maps(2))
    dense = ChartDecoder("body_mask", 0.3).decode(output, BOXES)
    body = SegmentationDecoder("body_mask", "body", mask_threshold=0.3).decode(output, BOXES)[
        "body"
    ]
    for a, b in zip(dense, body, strict=True):
        assert torch.equal(a.labels > 0, b.labels > 0)
        assert a.xy == b.xy


def test_no_boxes():
    empty = SegmentationDecoder().no_results(BOXES[:0])["part_segmentation"]
    assert len(empty) == 0
    decoded = SegmentationDecoder().decode(ChartOutput(coarse_segm=maps(15, 0)), BOXES[:0])
    assert len(decoded["part_segmentation"]) == 0


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="source='parts' is no map of classes"):
        SegmentationDecoder("parts")
    with pytest.raises(ValueError, match="needs a 2-channel map"):
        SegmentationDecoder(mask_threshold=0.3).decode(ChartOutput(coarse_segm=maps(15)), BOXES)
    with pytest.raises(ValueError, match="coarse_segm is not predicted"):
        SegmentationDecoder().decode(ChartOutput(body_mask=maps(2)), BOXES)
