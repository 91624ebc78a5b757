"""What the page shows of one photo by one model; knows nothing of the page."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mmktn.apis.picture_predictor import PicturePredictor
from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.runtime.manifest import MANIFEST
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError
from mmktn.visualization.drawing import draw_boxes

COLUMNS = ("person", "score", "x1", "y1", "x2", "y2", "pixels", "charts")


@dataclass(frozen=True)
class Analysis:
    """One photo seen by one model.

    Attributes:
        look: (H, W, 3) uint8 RGB charts in the chosen look, with boxes.
        iuv: (H, W, 3) uint8: I, U, V as red, green, blue.
        masks: (H, W, 3) uint8 RGB, every person in a colour over the grey photo.
        textures: For each person what the photo shows of the body (h, w, 3) uint8 RGB.
        rows: For each person the values of `COLUMNS`.
        prediction: All of it, for files.
    """

    look: np.ndarray
    iuv: np.ndarray
    masks: np.ndarray
    textures: list[np.ndarray]
    rows: list[list[float]]
    prediction: ImagePrediction


@lru_cache(maxsize=2)
def opened(model: str) -> PicturePredictor:
    """Return a model by name, or an exported folder; the last two stay open.

    Raises:
        UserError: No such model, or it needs boxes.
    """
    if (Path(model) / MANIFEST).is_file():
        from mmktn.apis.exported import ExportedInferencer

        found: PicturePredictor = ExportedInferencer(model)
    else:
        from mmktn.apis.topdown_inferencer import open_inferencer

        found = open_inferencer(model)
    if found.needs_boxes:
        raise UserError(f"{model} looks at one person at a time and needs boxes; choose another")
    return found


def analyse(
    photo: str | Path,
    predictor: PicturePredictor,
    *,
    preset: str,
    min_score: float,
    max_pixels: int,
) -> Analysis:
    """Look at a photo.

    Args:
        photo: Picture file.
        predictor: The model.
        preset: Look of the charts.
        min_score: People at or below are left out.
        max_pixels: Larger photos are refused.

    Raises:
        UserError: The photo is too large, which is seen before it is decoded, or none.
    """
    (prediction,) = predictor(photo, score_thr=min_score, max_pixels=max_pixels)
    if prediction.error is not None:
        raise UserError(f"{prediction.name}: {prediction.error}")
    assert prediction.image is not None  # of a prediction without error
    texts = [f"{k}: {score:.2f}" for k, score in enumerate(prediction.scores, start=1)]
    look = draw_boxes(prediction.plot(preset), prediction.boxes_xyxy, texts=texts)
    canvas = prediction.canvas()
    return Analysis(
        look=look,
        iuv=np.ascontiguousarray(canvas.iuv.transpose(1, 2, 0)),
        masks=_masks(prediction.image, canvas.instances, len(prediction)),
        textures=[person.texture(tile=64).atlas for person in prediction.people],
        rows=[_row(prediction, index) for index in range(len(prediction))],
        prediction=prediction,
    )


def archive(analysis: Analysis, folder: Path, *, preset: str) -> Path:
    """Write everything of a photo as one file.

    Args:
        analysis: The photo.
        folder: Where the file goes.
        preset: Look of the charts.

    Returns:
        A .zip with npz, json, IUV and charts.
    """
    made = folder / "files"
    files = save_prediction(
        analysis.prediction,
        made,
        formats=("json", "npz", "iuv", "charts"),
        image=analysis.prediction.image,
        preset=preset,
    )
    path = folder / "densepose.zip"
    with replace_atomically(path) as handle, zipfile.ZipFile(handle, "w") as packed:
        for file in files:
            packed.write(file, file.name)
    for file in files:
        file.unlink()
    made.rmdir()
    return path


def _row(prediction: ImagePrediction, index: int) -> list[float]:
    person = prediction.people[index]
    labels = person.result.arrays().labels
    shown = np.unique(labels[labels > 0])
    box = [round(float(value), 1) for value in person.box_xyxy]
    return [index + 1, round(person.score, 3), *box, int((labels > 0).sum()), len(shown)]


def _masks(photo: np.ndarray, instances: np.ndarray, count: int) -> np.ndarray:
    """Draw every person in a hue of its own."""
    hues = np.zeros((count + 1, 1, 3), np.uint8)
    hues[1:, 0, 0] = (np.arange(count) * 180 // max(count, 1)).astype(np.uint8)
    hues[1:, 0, 1:] = 255
    colours = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[:, 0]
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    seen = instances > 0
    return np.where(seen[..., None], 0.4 * grey + 0.6 * colours[instances], grey).astype(np.uint8)
