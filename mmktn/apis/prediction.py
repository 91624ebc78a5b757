"""The outcome for one image, and its files: official JSON, npz, IUV pictures, preset pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
from mmktn.structures import ChartResults
from mmktn.utils.output_files import claim_outputs, replace_atomically, write_json
from mmktn.utils.user_error import UserError
from mmktn.visualization.colormaps import get_preset, render_preset
from mmktn.visualization.field_panels import field_panels
from mmktn.visualization.iuv_files import (
    ChannelOrder,
    write_image,
    write_instance_png,
    write_iuv_png,
)
from mmktn.visualization.panels import prediction_panels, prediction_row

SAVE_FORMATS = ("json", "npz", "iuv", "charts")
# Formats that pictures are drawn in; the photographs may have others.
_WRITABLE = (".bmp", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass
class ImagePrediction:
    """Dense pose of the people in one image, best score first.

    Attributes:
        name: File name of the image, unique within a call.
        image_id: COCO image id: the file name's number where it is one, else the running index.
        image_hw: Image size; (0, 0) if it could not be read.
        boxes_xyxy: (N, 4) float32, image pixels.
        scores: (N,) float32.
        densepose: N results.
        error: Why there is no prediction, or no file of it, or None. Without a prediction the
            other fields are empty.
        picture: (H', W', 3) uint8 RGB of boxes, charts, U and V side by side, if asked for.
    """

    name: str
    image_id: int
    image_hw: tuple[int, int] = (0, 0)
    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    densepose: ChartResults = field(default_factory=ChartResults)
    error: str | None = None
    picture: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.densepose)

    def canvas(self) -> ChartCanvas:
        """All people painted on the image, the highest score on top."""
        iuvs = [result.iuv_uint8() for result in self.densepose]
        return paint_people(self.image_hw, self.boxes_xyxy, iuvs=iuvs, scores=self.scores)

    def to_official(self) -> list[dict[str, Any]]:
        """Entries of an official result file, one a person."""
        return [
            result.to_official(self.image_id, box, float(score))
            for result, box, score in zip(self.densepose, self.boxes_xyxy, self.scores, strict=True)
        ]

    def panels(self, image: np.ndarray, *, preset: str = "overlay") -> list[np.ndarray]:
        """Boxes, charts, U and V as four pictures of the size of the image (H, W, 3) uint8 RGB."""
        return prediction_panels(
            image,
            self.canvas(),
            boxes_xyxy=self.boxes_xyxy,
            texts=[f"{score:.2f}" for score in self.scores],
            preset=preset,
        )

    def draw(
        self, image: np.ndarray, *, preset: str = "overlay", legend: bool = True
    ) -> np.ndarray:
        """Boxes, charts, U and V side by side.

        Args:
            image: (H, W, 3) uint8 RGB.
            preset: Look of the maps.
            legend: Append the colours of the charts and of U, V.
        """
        return prediction_row(
            self.panels(image, preset=preset),
            field_panels(image, self.canvas(), list(self.densepose)),
            colormap=get_preset(preset).colormap,
            legend=legend,
        )


def drawn_name(name: str) -> str:
    """File name of the picture of an image: its own, with a suffix that can be written."""
    suffix = Path(name).suffix
    if suffix.lower() in _WRITABLE:
        return name
    return Path(name).stem + (".jpg" if suffix.lower() == ".jfif" else ".png")


def prediction_files(
    name: str, folder: str | Path, *, formats: Sequence[str], preset: str
) -> dict[str, Path]:
    """Files that `save_prediction` writes of an image.

    Args:
        name: Name of the prediction.
        folder: Where they go.
        formats: Some of `SAVE_FORMATS`.
        preset: Look of 'charts'.

    Returns:
        Paths by 'json', 'npz', 'iuv', 'instances' and 'charts', those of `formats` alone.

    Raises:
        UserError: Unknown format.
    """
    unknown = sorted(set(formats) - set(SAVE_FORMATS))
    if unknown:
        raise UserError(f"unknown format {unknown[0]!r}; known: {', '.join(SAVE_FORMATS)}")
    ends = {
        "json": {"json": ".json"},
        "npz": {"npz": ".npz"},
        "iuv": {"iuv": "_IUV.png", "instances": "_INDS.png"},
        "charts": {"charts": f"_{preset}.png"},
    }
    stem = Path(name).stem
    return {
        kind: Path(folder) / f"{stem}{end}"
        for known, files in ends.items()
        if known in formats
        for kind, end in files.items()
    }


def save_prediction(
    prediction: ImagePrediction,
    folder: str | Path,
    *,
    formats: Sequence[str] = ("json",),
    image: np.ndarray | None = None,
    preset: str = "overlay",
    iuv_order: ChannelOrder = "VUI",
    overwrite: bool = False,
) -> list[Path]:
    """Write the prediction of one image, each file whole or not at all.

    Args:
        prediction: What to write; one with an error writes nothing.
        folder: Made if missing.
        formats: Some of `SAVE_FORMATS`. 'json': `<stem>.json`, a list of official entries. 'npz':
            `<stem>.npz` with `boxes_xyxy` (N, 4), `scores` (N,), `image_hw` (2,), and for person i
            `labels_i` (h, w) uint8, `uv_i` (2, h, w) float32
            and, of further maps, `FIELD_i`. 'iuv': `<stem>_IUV.png` and
            `<stem>_INDS.png` of the whole image. 'charts': `<stem>_<preset>.png`, the chart map
            alone in the preset's look, for try-on and animation models.
        image: (H, W, 3) uint8 RGB, for presets that show the photo.
        preset: Look of 'charts'.
        iuv_order: Channel order of 'iuv', see `write_iuv_png`.
        overwrite: Whether files that exist may be replaced.

    Returns:
        The files written.

    Raises:
        UserError: Unknown format, or a file exists or cannot be written.
    """
    files = prediction_files(prediction.name, folder, formats=formats, preset=preset)
    if prediction.error is not None:
        return []
    claim_outputs(files.values(), overwrite=overwrite)
    if "json" in files:
        write_json(files["json"], prediction.to_official())
    if "npz" in files:
        with replace_atomically(files["npz"]) as handle:
            np.savez_compressed(handle, **_arrays(prediction))
    if {"iuv", "charts"} & set(files):
        canvas = prediction.canvas()
    if "iuv" in files:
        write_iuv_png(files["iuv"], canvas.iuv, order=iuv_order)
        write_instance_png(files["instances"], canvas.instances)
    if "charts" in files:
        write_image(files["charts"], render_preset(canvas, preset, image=image))
    return list(files.values())


def _arrays(prediction: ImagePrediction) -> dict[str, Any]:
    """Arrays of the npz file; loads with plain numpy, nothing is pickled."""
    arrays = {
        "boxes_xyxy": prediction.boxes_xyxy,
        "scores": prediction.scores,
        "image_hw": np.asarray(prediction.image_hw, np.int64),
    }
    for index, result in enumerate(prediction.densepose):
        arrays[f"labels_{index}"] = result.labels.cpu().numpy()
        arrays[f"uv_{index}"] = result.uv.float().cpu().numpy()
        for name, values in result.fields.items():
            arrays[f"{name}_{index}"] = values.cpu().numpy()
    return arrays
