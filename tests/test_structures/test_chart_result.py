"""Decoded results: byte coding, PNG, the official result format."""

import base64
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmktn.structures import ChartResult, ChartResults, decode_png, encode_png


def random_iuv(hw=(5, 7), seed=0):
    rng = np.random.default_rng(seed)
    iuv = rng.integers(0, 256, (3, *hw), dtype=np.uint8)
    iuv[0] %= 25
    return iuv


def test_convention_bytes_are_truncated_and_clamped():
    uv = torch.tensor([[[0.0, 0.999, 1.0]], [[0.5, 1.2, -0.1]]])
    result = ChartResult(labels=torch.tensor([[0, 3, 24]], dtype=torch.uint8), uv=uv)
    # 0.999 * 255 = 254.7 -> 254 and 0.5 * 255 = 127.5 -> 127: no rounding.
    assert result.iuv_uint8().tolist() == [[[0, 3, 24]], [[0, 254, 255]], [[127, 255, 0]]]


def test_bytes_survive_a_round_trip_for_every_value():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    iuv = np.stack((values % 25, values, values[::-1]))
    assert np.array_equal(ChartResult.from_iuv_uint8(iuv).iuv_uint8(), iuv)


def test_convention_png_red_is_i_green_is_u_blue_is_v():
    iuv = np.zeros((3, 2, 3), dtype=np.uint8)
    iuv[:, 1, 2] = (7, 100, 200)
    picture = Image.open(io.BytesIO(base64.b64decode(encode_png(iuv))))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (3, 2))
    assert picture.getpixel((2, 1)) == (7, 100, 200)


def test_png_round_trip_and_line_breaks():
    iuv = random_iuv()
    text = encode_png(iuv)
    broken = "\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\n"
    for code in (text, broken):  # the official files break lines
        assert np.array_equal(decode_png(code, (3, 5, 7)), iuv)


def png_of_mode(mode):
    buffer = io.BytesIO()
    Image.new(mode, (4, 4)).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a picture", "uv_data is no PNG in base64"),
        (encode_png(random_iuv())[:60], "uv_data is no PNG in base64"),
        (png_of_mode("L"), "mode L"),
        (encode_png(random_iuv((4, 4))), "shape"),
    ],
    ids=["no png", "cut off", "grey", "other size"],
)
def test_decode_png_names_the_problem(text, message):
    with pytest.raises(ValueError, match=message):
        decode_png(text, (3, 5, 7))


@pytest.mark.parametrize("iuv", [np.zeros((5, 7, 3), np.uint8), np.zeros((3, 5, 7), np.float32)])
def test_encode_png_rejects_other_arrays(iuv):
    with pytest.raises(ValueError, match=r"not \(3, H, W\) uint8"):
        encode_png(iuv)


def test_to_official_fields():
    iuv = random_iuv((20, 10))
    entry = ChartResult.from_iuv_uint8(iuv).to_official(7, [1.5, 2.0, 12.0, 22.25], 0.75)
    assert entry["bbox"] == [1.5, 2.0, 10.5, 20.25]
    assert entry["uv_shape"] == [3, 20, 10]
    assert (entry["image_id"], entry["category_id"], entry["score"]) == (7, 1, 0.75)
    json.dumps(entry)
    other = ChartResult.from_iuv_uint8(iuv).to_official(7, [1.5, 2.0, 12.0, 22.25], 0.75, 9)
    assert other == entry | {"category_id": 9}
    assert np.array_equal(decode_png(entry["uv_data"], tuple(entry["uv_shape"])), iuv)


def test_convention_written_box_truncates_to_the_map():
    # In float32 401.8 - 163.8 is 237.99999: decoding in either precision must give a valid entry.
    box = [163.8, 122.3, 401.8, 599.3]
    for width in (237, 238):
        result = ChartResult.from_iuv_uint8(random_iuv((477, width)))
        if width == 238:
            for given in (box, torch.tensor(box)):
                assert [int(side) for side in result.to_official(1, given, 1.0)["bbox"][2:]] == [
                    238,
                    477,
                ]
        else:
            with pytest.raises(ValueError, match="width, image 1: map of 237 pixels"):
                result.to_official(1, box, 1.0)


def test_boxes_below_one_pixel_have_one():
    result = ChartResult.from_iuv_uint8(random_iuv((1, 1)))
    assert result.to_official(1, [4.0, 4.0, 4.3, 4.4], 0.1)["uv_shape"] == [3, 1, 1]


@pytest.mark.parametrize(
    ("field", "maps"),
    [
        ("labels", (torch.zeros(1, 4, 4), torch.zeros(2, 4, 4), None)),
        ("uv", (torch.zeros(4, 4), torch.zeros(2, 4, 5), None)),
        ("mask", (torch.zeros(4, 4), torch.zeros(2, 4, 4), torch.zeros(5, 4))),
    ],
)
def test_maps_that_do_not_fit_are_named(field, maps):
    with pytest.raises(ValueError, match=f"^{field}: shape"):
        ChartResult(*maps)


def test_container_moves_masks_too():
    result = ChartResult(
        torch.zeros(4, 5, dtype=torch.uint8),
        torch.zeros(2, 4, 5),
        torch.ones(4, 5, dtype=torch.bool),
    )
    moved = ChartResults([result, result]).to("meta")
    assert moved[1].mask.is_meta
    assert moved[0].hw == (4, 5)


def test_official_example_file():
    folder = os.environ.get("MMKTN_REAL_DATA")
    if not folder:
        pytest.skip("MMKTN_REAL_DATA is not set")
    entries = json.loads(Path(folder, "densepose_example_results.json").read_text())
    assert entries
    for entry in entries:
        pixels = decode_png(entry["uv_data"], tuple(entry["uv_shape"]))
        assert pixels[0].max() <= 24
        x, y, w, h = entry["bbox"]
        again = ChartResult.from_iuv_uint8(pixels).to_official(
            entry["image_id"], [x, y, x + w, y + h], entry["score"]
        )
        assert np.array_equal(decode_png(again["uv_data"]), pixels)
        assert {k: again[k] for k in ("image_id", "category_id", "score", "uv_shape")} == {
            k: entry[k] for k in ("image_id", "category_id", "score", "uv_shape")
        }
        assert again["bbox"] == pytest.approx(entry["bbox"])


def confident_result():
    """Two pixels of a person, sure and unsure, beside background."""
    return ChartResult(
        labels=torch.tensor([[4, 7, 0]], dtype=torch.uint8),
        uv=torch.full((2, 1, 3), 0.5),
        fields={
            "uv_confidence": torch.tensor([[0.9, 0.3, 0.0]]),
            "chart_confidence": torch.tensor([[0.1, 0.1, 0.0]]),
            "two": torch.ones(2, 1, 3),
        },
        xy=(3, 4),
    )


def test_confidence_of_a_person_is_the_mean_over_its_pixels():
    result = confident_result()
    assert result.confidence == pytest.approx(0.6)
    assert result.to_official(1, [3, 4, 6, 5], 0.5)["confidence"] == pytest.approx(0.6)
    plain = ChartResult(result.labels, result.uv)
    assert plain.confidence is None
    assert "confidence" not in plain.to_official(1, [3, 4, 6, 5], 0.5)
    nobody = ChartResult(
        result.labels * 0, result.uv * 0, fields={"uv_confidence": torch.zeros(1, 3)}
    )
    assert nobody.confidence == 0
    of_chart = ChartResult(result.labels, result.uv, fields={"chart_confidence": result.uv[0]})
    assert of_chart.confidence == pytest.approx(0.75)


def test_confidence_below_the_least_becomes_background():
    result = confident_result()
    kept = result.confident(0.3)
    assert kept.labels.tolist() == [[4, 7, 0]]
    kept = result.confident(0.31)
    assert kept.labels.tolist() == [[4, 0, 0]]
    assert kept.labels.dtype == torch.uint8
    assert kept.uv[:, 0].tolist() == [[0.5, 0, 0], [0.5, 0, 0]]
    assert kept.fields["two"].tolist() == [[[1, 0, 0]], [[1, 0, 0]]]
    assert kept.xy == (3, 4)
    assert result.labels.tolist() == [[4, 7, 0]]


@pytest.mark.parametrize("minimum", [-0.1, 1.1, float("nan")])
def test_confidence_that_is_no_share_is_refused(minimum):
    with pytest.raises(ValueError, match=r"min_confidence=.*expected 0 to 1"):
        confident_result().confident(minimum)


def test_confidence_of_a_model_without_is_refused():
    plain = ChartResult(torch.zeros(1, 1, dtype=torch.uint8), torch.zeros(2, 1, 1))
    with pytest.raises(ValueError, match=r"gives no confidence; .*chart_confidence=True"):
        plain.confident(0.5)
