"""Confidences on their way to the user: pictures, files, and pixels that are left out."""

import json

import numpy as np
import pytest
import torch

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.formats.iuv_files import read_iuv_png
from mmktn.structures import ChartResult, ChartResults
from mmktn.utils.user_error import UserError
from mmktn.visualization.colormaps import colormap_table
from mmktn.visualization.field_panels import field_panels
from tests.test_apis.fake_detector import FakeDetector

BOX = np.array([[2, 1, 6, 3]], np.float32)
PHOTO = np.full((8, 10, 3), 100, np.uint8)


def prediction(min_confidence=0.0, **fields):
    """One person of 2 x 4 pixels whose confidence falls from left to right."""
    sure = torch.tensor([[1.0, 0.75, 0.5, 0.25]] * 2)
    fields = fields or {"sigma_2": -sure, "uv_std": 1 - sure, "uv_confidence": sure}
    result = ChartResult(
        torch.full((2, 4), 3, dtype=torch.uint8),
        torch.full((2, 2, 4), 0.5),
        fields=fields,
        xy=(2, 1),
    )
    return ImagePrediction(
        "a.png",
        7,
        (8, 10),
        BOX,
        np.array([0.9], np.float32),
        ChartResults([result]),
        min_confidence=min_confidence,
    )


def test_confidence_is_in_the_npz_and_json_files(tmp_path):
    save_prediction(prediction(), tmp_path, formats=["json", "npz"])
    (entry,) = json.loads((tmp_path / "a.json").read_text())
    assert entry["confidence"] == pytest.approx(0.625)
    arrays = np.load(tmp_path / "a.npz")
    assert arrays["confidence"] == pytest.approx([0.625])
    assert arrays["sigma_2_0"].shape == arrays["uv_confidence_0"].shape == (2, 4)


def test_confidence_below_the_least_is_neither_painted_nor_written(tmp_path):
    found = prediction(0.5)
    assert (found.canvas().labels[1] > 0).tolist() == [False] * 2 + [True] * 3 + [False] * 5
    save_prediction(found, tmp_path, formats=["json", "npz", "iuv", "charts"], image=PHOTO)
    assert (read_iuv_png(tmp_path / "a_IUV.png")[0] > 0).sum() == 6
    # The result itself is complete.
    assert (np.load(tmp_path / "a.npz")["labels_0"] > 0).all()
    assert prediction().canvas().mask.sum() == 8


def test_confidence_picture_is_heat_on_grey(tmp_path):
    """Value v has colour 255 v of the heat map, whatever the others are; raw maps stay hidden."""
    found = prediction()
    panels = field_panels(PHOTO, found.canvas(), list(found.densepose))
    assert list(panels) == ["uv_std", "uv_confidence"]
    heat = panels["uv_confidence"]
    expected = colormap_table("inferno")[[255, 191, 127, 63]]
    assert (heat[1, 2:6] == expected).all()
    assert (heat[0] == 100).all()
    save_prediction(found, tmp_path, formats=["confidence"], image=PHOTO)
    assert (tmp_path / "a_confidence.png").is_file()


def test_confidence_picture_of_a_model_without_is_refused(tmp_path):
    with pytest.raises(UserError, match="format 'confidence': this model gives none"):
        save_prediction(prediction(other=torch.zeros(2, 4)), tmp_path, formats=["confidence"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "asked", [{"min_confidence": 0.5}, {"save": ["confidence"], "pred_out_dir": "out"}]
)
def test_confidence_asked_of_a_model_without_stops_before_any_work(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inferencer = DensePoseInferencer(FakeDetector())
    with pytest.raises(UserError, match=r"gives no confidence; .*chart_confidence=True"):
        inferencer(PHOTO, **asked)
    assert inferencer.model.batches == []


def test_confidence_least_goes_from_the_call_to_the_result():
    model = FakeDetector()
    model.gives_confidence = True
    (found,) = DensePoseInferencer(model)(PHOTO, min_confidence=0.25)
    assert found.min_confidence == 0.25
    with pytest.raises(UserError, match="min_confidence is 2; expected 0 to 1"):
        DensePoseInferencer(model)(PHOTO, min_confidence=2)
