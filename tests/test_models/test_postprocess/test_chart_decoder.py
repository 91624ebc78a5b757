from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmktn.models.postprocess import ChartDecoder
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput

RAW = Path(__file__).parents[2] / "data" / "reference" / "metrics" / "dp_raw_outputs.npz"
BOXES = torch.tensor(
    [[10.3, 12.7, 70.9, 95.2], [0, 0, 3.5, 40], [5, 5, 5.4, 5.4], [-4.6, 2.2, 115.8, 57.7]]
)


def make_output(coarse=2, mask=True, n=4, size=14):
    generator = torch.Generator().manual_seed(0)

    def maps(channels):
        return torch.randn(n, channels, size, size, generator=generator)

    return ChartOutput(
        fine_segm=maps(25),
        u=maps(25),
        v=maps(25),
        coarse_segm=maps(coarse) if coarse else None,
        body_mask=maps(2) if mask else None,
    )


def resize_then_choose(output, boxes, foreground):
    """One box after the other, every channel resized."""
    for i, box in enumerate(boxes):
        size = (max(int(box[3] - box[1]), 1), max(int(box[2] - box[0]), 1))
        maps = {
            name: F.interpolate(m[i : i + 1], size, mode="bilinear", align_corners=False)[0]
            for name, m in output.items()
        }
        labels = maps["fine_segm"].argmax(dim=0) * foreground(maps)
        uv = torch.stack([maps[name].gather(0, labels[None])[0] for name in "uv"]) * (labels > 0)
        yield labels, uv


def assert_equal_results(results, expected):
    for result, (labels, uv) in zip(results, expected, strict=True):
        assert torch.equal(result.labels.long(), labels)
        # Values of unit size, interpolated in another order.
        torch.testing.assert_close(result.uv, uv, rtol=0, atol=2e-6)


def test_bytes_are_those_of_the_official_code():
    with np.load(RAW) as raw:
        count = len(raw["boxes_xywh"])
        maps = {
            name: torch.from_numpy(np.stack([raw[f"{name}_{i}"] for i in range(count)])).float()
            for name in ("fine_segm", "coarse_segm", "u", "v")
        }
        boxes = torch.from_numpy(raw["boxes_xywh"])
        boxes = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1).float()
        results = ChartDecoder().decode(ChartOutput(**maps), boxes)
        assert len(results) == count
        for i, result in enumerate(results):
            np.testing.assert_array_equal(result.iuv_uint8(), raw[f"result_{i}"])
            np.testing.assert_allclose(result.uv.numpy(), raw[f"uv_float_{i}"], atol=1e-6)


def test_default_mask_is_the_argmax_of_the_coarse_map():
    output = make_output(coarse=15)
    expected = resize_then_choose(output, BOXES, lambda m: m["coarse_segm"].argmax(dim=0) > 0)
    assert_equal_results(ChartDecoder().decode(output, BOXES), expected)


@pytest.mark.parametrize("threshold", [0.3, 0.7])
@pytest.mark.parametrize("source", ["coarse_segm", "body_mask"])
def test_other_thresholds_compare_the_probability(threshold, source):
    output = make_output()
    expected = resize_then_choose(output, BOXES, lambda m: m[source].softmax(dim=0)[1] > threshold)
    assert_equal_results(ChartDecoder(source, threshold).decode(output, BOXES), expected)


def test_negative_threshold_makes_everything_body():
    output = make_output()
    expected = resize_then_choose(output, BOXES, lambda m: 1)
    assert_equal_results(ChartDecoder(mask_threshold=-1.0).decode(output, BOXES), expected)


def test_bands_of_rows_do_not_change_the_result():
    output = make_output()
    whole = ChartDecoder("body_mask", 0.3).decode(output, BOXES)
    bands = ChartDecoder("body_mask", 0.3, band_values=25 * 130).decode(output, BOXES)
    for a, b in zip(whole, bands, strict=True):
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.uv, b.uv)


def test_background_has_no_coordinates_and_size_follows_the_integer_box():
    results = ChartDecoder().decode(make_output(), BOXES)
    assert [result.hw for result in results] == [(82, 60), (40, 3), (1, 1), (55, 120)]
    for result in results:
        assert result.labels.dtype == torch.uint8
        assert not result.uv[:, result.labels == 0].any()


def test_memory_order_of_the_maps_does_not_matter():
    output = make_output()
    last = output.map(lambda m: m.contiguous(memory_format=torch.channels_last))
    pairs = zip(
        ChartDecoder().decode(output, BOXES), ChartDecoder().decode(last, BOXES), strict=True
    )
    assert all(torch.equal(a.uv, b.uv) for a, b in pairs)


def test_bfloat16_maps_give_float32_coordinates():
    results = ChartDecoder().decode(make_output().to(torch.bfloat16), BOXES)
    assert results[0].uv.dtype == torch.float32


def test_no_box_gives_no_result():
    assert len(ChartDecoder().decode(make_output(n=0), BOXES[:0])) == 0


def test_permuting_boxes_permutes_results():
    output, order = make_output(), [3, 1, 0, 2]
    before = ChartDecoder().decode(output, BOXES)
    after = ChartDecoder().decode(output[order], BOXES[order])
    assert all(torch.equal(after[i].uv, before[k].uv) for i, k in enumerate(order))


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match=r"mask_source.*'mask'"):
        ChartDecoder("mask")
    with pytest.raises(ValueError, match="body_mask is not predicted"):
        ChartDecoder("body_mask").decode(make_output(mask=False), BOXES)
    with pytest.raises(ValueError, match=r"mask_threshold=0\.3 needs a 2-channel map.*15"):
        ChartDecoder("coarse_segm", 0.3).decode(make_output(coarse=15), BOXES)
    with pytest.raises(ValueError, match="maps of 4 boxes, 3 boxes given"):
        ChartDecoder().decode(make_output(), BOXES[:3])


def test_decoder_is_registered():
    decoder = MODELS.build({"type": "mmktn.ChartDecoder", "mask_source": "body_mask"})
    assert decoder.fields == ("fine_segm", "u", "v", "body_mask")


def test_box_inside_its_window_reads_the_maps_where_the_box_lies():
    """Twice the box's width on either side: the middle third of the cells, pixel by pixel."""
    output = make_output(n=1)
    box = torch.tensor([[20.0, 40.0, 50.0, 70.0]])
    window = torch.tensor([[-10.0, 10.0, 80.0, 100.0]])
    whole = ChartDecoder("body_mask").decode(output, window)[0]  # 90 x 90 pixels
    part = ChartDecoder("body_mask").decode(output, box, windows_xyxy=window)[0]
    assert torch.equal(part.labels, whole.labels[30:60, 30:60])
    # Positions of some ten cells in float32, times steps of a few units between cells.
    torch.testing.assert_close(part.uv, whole.uv[:, 30:60, 30:60], rtol=0, atol=1e-5)


def test_window_equal_to_the_box_changes_nothing():
    output = make_output()
    plain = ChartDecoder().decode(output, BOXES)
    given = ChartDecoder().decode(output, BOXES, windows_xyxy=BOXES.clone())
    for a, b in zip(plain, given, strict=True):
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.uv, b.uv)


def test_beyond_the_window_the_border_goes_on():
    output = make_output(n=1)
    window = torch.tensor([[0.0, 0.0, 14.0, 14.0]])
    box = torch.tensor([[-6.0, 0.0, 14.0, 14.0]])
    result = ChartDecoder().decode(output, box, windows_xyxy=window)[0]
    assert torch.equal(result.labels[:, :6], result.labels[:, 6:7].expand(-1, 6))


def test_another_number_of_windows_is_an_error():
    with pytest.raises(ValueError, match="3 windows for 4 boxes"):
        ChartDecoder().decode(make_output(), BOXES, windows_xyxy=BOXES[:3])
