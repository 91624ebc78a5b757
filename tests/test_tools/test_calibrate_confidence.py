"""The calibration tool on made-up results whose errors and confidences are known."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mmktn.apis import calibrate_command as tool
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.models.postprocess.uv_confidence import uv_confidence_fields
from mmktn.structures import ChartResult, ChartResults
from mmktn.surface import load_surface

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/densepose/densepose-rcnn-wc1_r18_fpn_cpu_dp-synth.py"


def annotation(count=64):
    """A person of 64 x 64 pixels at (10, 20): a row of points on chart 2 through the middle of
    pixels, then one on chart 3 and one in the corner."""
    columns = np.arange(count)
    x = (columns + 0.5) * 256 / 64
    rng = np.random.default_rng(0)
    return {
        "id": 5,
        "image_id": 1,
        "category_id": 1,
        "bbox": [10, 20, 64, 64],
        "area": 4096,
        "iscrowd": 0,
        "dp_x": [*x.tolist(), 2.0, 254.0],
        "dp_y": [10.0] * count + [200.0, 254.0],
        "dp_I": [2] * count + [3, 2],
        "dp_U": [*rng.uniform(0.3, 0.7, count).tolist(), 0.5, 0.5],
        "dp_V": [*rng.uniform(0.3, 0.7, count).tolist(), 0.5, 0.5],
        "dp_masks": [],
    }


def coco(person):
    return {
        "images": [{"id": 1, "width": 100, "height": 100, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [person],
    }


def result_for(person):
    """Chart 2 everywhere; the left half is exact and sure, the right half is off and unsure."""
    labels = torch.full((64, 64), 2, dtype=torch.uint8)
    labels[63, 63] = 0
    uv, std = torch.zeros(2, 64, 64), torch.full((64, 64), 0.1)
    row = int(10 * 64 / 256)
    for column in range(64):
        far = 0.25 if column >= 32 else 0.0
        uv[0, row, column] = person["dp_U"][column] + far
        uv[1, row, column] = person["dp_V"][column] - far
    std[:, 32:] = 0.25
    raw = (std**2 - 0.01).clamp(min=1e-9).expm1().log()  # softplus and 0.01 give the variance
    fields = {"uv_std": std, "sigma_2": raw, "chart_confidence": torch.full((64, 64), 0.5)}
    return ChartResult(labels, uv, fields=fields, xy=(10, 20))


@pytest.fixture(scope="module")
def points():
    person = annotation()
    truth = DensePoseTruth.from_coco(coco(person)).all_persons()[0]
    return tool.read_points(truth, result_for(person), load_surface("human"))


def test_confidence_is_read_at_the_pixels_of_the_points(points):
    assert len(points["right"]) == 65  # the one in the corner is on the background
    assert points["right"].tolist() == [True] * 64 + [False]
    np.testing.assert_allclose(points["du"][:32], 0, atol=1e-6)
    np.testing.assert_allclose(points["du"][32:64], 0.25, atol=1e-6)
    np.testing.assert_allclose(points["dv"][32:64], -0.25, atol=1e-6)
    assert (points["distance"][:32] == 0).all()
    assert (points["distance"][32:64] > 0.03).all()
    np.testing.assert_allclose(points["uv_std"][:64], [0.1] * 32 + [0.25] * 32, atol=1e-6)


def test_confidence_figures_of_a_model_that_knows_its_errors(points):
    figures = tool.summary(points)
    # Half of the points is exact; of the other half the square error is twice its variance.
    assert figures["temperature"] == pytest.approx(0.5, abs=1e-6)
    assert figures["chart_right"] == pytest.approx(64 / 65)
    by_uv, by_chart = figures["uv_confidence"], figures["chart_confidence"]
    # The one of the wrong chart lies in the sure half.
    assert by_uv["rank"] == pytest.approx((32 + 0.5) / 33)
    assert by_chart["rank"] == 0.5
    # What the model says once the temperature is set.
    (told,) = uv_confidence_fields(
        {"sigma_2": torch.tensor([[-40.0]])}, torch.ones(1, 1), temperature=figures["temperature"]
    )["uv_confidence"]
    assert by_uv["least"] == pytest.approx(float(told), abs=1e-5)
    assert by_uv["coverage"] == pytest.approx(33 / 65)
    assert np.isnan(by_chart["least"])
    assert by_uv["gps"][3] > by_uv["gps"][9]


@pytest.fixture
def files(tmp_path, monkeypatch):
    person = annotation()
    (tmp_path / "ann.json").write_text(json.dumps(coco(person)))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "weights.pth").write_bytes(b"")
    asked = {}

    def predict(images, boxes, channel_order):
        asked["boxes"] = boxes[0].tolist()
        return [SimpleNamespace(densepose=ChartResults([result_for(person)]))]

    def opened(config, checkpoint, cfg_options):
        asked["options"] = cfg_options
        return SimpleNamespace(predict=predict, check_confidence=lambda *_: None)

    monkeypatch.setattr("mmktn.apis.open_inferencer", opened)
    return tmp_path, asked


def test_confidence_tool_writes_figures_and_picture(files, capsys):
    folder, asked = files
    arguments = [str(CONFIG), str(folder / "weights.pth"), "--ann", str(folder / "ann.json")]
    arguments += ["--images", str(folder), "--out", str(folder / "out")]
    assert tool.main(arguments) == 0
    assert asked["boxes"] == [[10, 20, 74, 84]]
    decoder = "model.roi_head.densepose_head.decoder"
    assert asked["options"] == {
        f"{decoder}.chart_confidence": True, f"{decoder}.uv_temperature": 1.0
    }  # fmt: skip
    figures = json.loads((folder / "out/confidence.json").read_text())
    assert figures["points"] == 65
    assert cv2.imread(str(folder / "out/confidence.png")).shape[1] > 800
    said = capsys.readouterr().out
    assert "decoder.uv_temperature=0.5" in said
    assert "uv_confidence: ranks 98.5 % of pairs right; min_confidence 0.998 keeps 50.8 %" in said
    assert "chart_confidence: ranks 50.0 % of pairs right; no threshold keeps enough" in said
    # Nothing is written over.
    assert tool.main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_confidence_tool_names_a_picture_that_is_missing(files, capsys):
    folder, _ = files
    (folder / "a.png").unlink()
    arguments = [str(CONFIG), str(folder / "weights.pth"), "--ann", str(folder / "ann.json")]
    assert tool.main([*arguments, "--images", str(folder), "--out", str(folder / "out")]) == 1
    assert "a.png: no picture" in capsys.readouterr().err
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
