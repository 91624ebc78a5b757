"""What every predictor of pictures shares, with torch or without: inputs, files, one at a time.

A file that cannot be read is reported and the others go on; results stream out one by one.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from mmktn.apis.given_boxes import checked_boxes
from mmktn.apis.image_inputs import ImageInput, as_bgr, files_of, list_inputs
from mmktn.apis.prediction import (
    ImagePrediction,
    drawn_name,
    prediction_files,
    save_prediction,
)
from mmktn.formats.iuv_files import ChannelOrder
from mmktn.formats.picture_writing import fit_format, write_image
from mmktn.formats.pictures import check_picture_array
from mmktn.runtime.found import FoundPeople
from mmktn.utils.output_files import DiskFullError, claim_folder, claim_outputs
from mmktn.utils.user_error import UserError, one_line
from mmktn.visualization.colormaps import get_preset


class PicturePredictor(ABC):
    """Pictures in, predictions and files out; what finds the people is the subclass's business."""

    surface = "human"
    gives_confidence = False
    needs_boxes = False
    """Whether a call without boxes cannot work."""

    @abstractmethod
    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None
    ) -> list[FoundPeople]:
        """Find the people of a batch.

        Args:
            images: (H, W, 3) uint8 BGR, of any sizes.
            boxes: For each image (N, 4) xyxy boxes in its pixels, or None to detect.

        Returns:
            One entry per image.
        """

    def least_score(self, score_thr: float) -> AbstractContextManager[None]:
        """Within it, people at or below a score may be left out early."""
        return nullcontext()

    def warn(self, text: str) -> None:
        """Say in a log that a picture was not worked on."""
        logging.getLogger("mmktn").warning(text)

    def check_confidence(self, min_confidence: float, formats: Sequence[str] = ()) -> None:
        """Check that the model says how sure it is, where that is asked for.

        Args:
            min_confidence: As in a call; 0 asks for nothing.
            formats: Formats of files; 'confidence' asks for it.

        Raises:
            UserError: The model gives no confidence, or the least one is no share.
        """
        if not 0 <= min_confidence <= 1:
            raise UserError(f"min_confidence is {min_confidence}; expected 0 to 1")
        asked = min_confidence > 0 or "confidence" in formats
        if asked and not self.gives_confidence:
            raise UserError(
                "this model gives no confidence; use one with the map sigma_2, or set "
                "model.roi_head.densepose_head.decoder.chart_confidence=True with --cfg-options "
                "(top-down: model.head.densepose_head...; docs/confidence.md)"
            )

    def check_boxes(self, boxes: Sequence[np.ndarray] | None) -> None:
        """Check that there are boxes, where the system does not find people itself.

        Raises:
            UserError: There are none.
        """
        if boxes is None and self.needs_boxes:
            raise UserError(
                "this system looks at one person at a time: give boxes of the people, or those of "
                "a detector (image_demo: --boxes, --detector)"
            )

    def __call__(self, inputs: Any, **options: Any) -> list[ImagePrediction]:
        """Predict all inputs.

        Args:
            inputs: As in `stream`, which holds one batch at a time: take it for many pictures.
            **options: Those of `stream`.

        Returns:
            One prediction per input, in order.

        Raises:
            UserError: As `stream`.
        """
        return list(self.stream(inputs, **options))

    def stream(
        self,
        inputs: Any,
        *,
        batch_size: int = 1,
        score_thr: float = 0.3,
        boxes: Sequence[np.ndarray] | None = None,
        return_vis: bool = False,
        preset: str = "overlay",
        vis_out_dir: str | Path | None = None,
        pred_out_dir: str | Path | None = None,
        save: Sequence[str] = ("json",),
        iuv_order: ChannelOrder = "VUI",
        min_confidence: float = 0.0,
        max_pixels: int | None = None,
        overwrite: bool = False,
        channel_order: str = "RGB",
    ) -> Iterator[ImagePrediction]:
        """Predict, lazily: work is done as results are taken.

        Args:
            inputs: A path, a folder, an (H, W, 3) uint8 array, or a list of these.
            batch_size: Images per forward pass. Images of a batch are padded to a common size.
            score_thr: People at or below this score are left out; given boxes all stay.
            boxes: For each input (N, 4) xyxy boxes in its pixels, clipped to the picture; the
                detector is skipped then.
            return_vis: Fill `picture`.
            preset: Look of pictures, see `mmktn.visualization.PRESETS`.
            vis_out_dir: Write each picture (boxes, charts, U, V) here under the image's file name,
                as .png where its own format cannot be written.
            pred_out_dir: Write predictions here, in the formats of `save`.
            save: Some of 'json', 'npz', 'iuv', 'charts', 'confidence'; see `save_prediction`.
            iuv_order: Channel order of 'iuv' files.
            min_confidence: Pixels of less confidence are neither painted nor written as IUV, for
                models that give one (docs/confidence.md); 0: all stay.
            max_pixels: Larger picture files are not read; None: `formats.pictures.MAX_PIXELS`.
            overwrite: Replace files in the output folders that exist. Inputs are never replaced.
            channel_order: Of arrays among the inputs: 'RGB', or 'BGR' as OpenCV reads them.

        Yields:
            One `ImagePrediction` an input, in order. An image that cannot be read, whose boxes lie
            outside it or whose files cannot be written gives one with `error` set, and a warning
            in the log.

        Raises:
            UserError: No inputs, an array that is no picture, unknown preset or format, another
                number of box lists than inputs, a box without area or with numbers that are not
                finite, no boxes for a system that needs them, an output file that exists or is an
                input, or confidences are asked of a model that gives none. Nothing has been done
                then.
                Later, if the disk is full.
        """
        images = list_inputs(inputs, channel_order=channel_order)
        get_preset(preset)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if math.isnan(score_thr):  # no score is above NaN, so that nobody would be found
            raise UserError("score_thr is not a number")
        self.check_confidence(min_confidence, save if pred_out_dir is not None else ())
        self.check_boxes(boxes)
        if boxes is not None:
            if len(boxes) != len(images):
                raise UserError(f"{len(boxes)} lists of boxes for {len(images)} images")
            for image, given in zip(images, boxes, strict=True):
                checked_boxes(given, where=f"boxes of {image.name}")
        claim_prediction_files(
            images,
            vis_out_dir=vis_out_dir,
            pred_out_dir=pred_out_dir,
            save=save,
            preset=preset,
            overwrite=overwrite,
        )
        return self._stream(
            images,
            boxes,
            batch_size,
            score_thr,
            max_pixels,
            {
                "return_vis": return_vis,
                "preset": preset,
                "vis_out_dir": vis_out_dir,
                "pred_out_dir": pred_out_dir,
                "save": tuple(save),
                "iuv_order": iuv_order,
                "min_confidence": min_confidence,
            },
        )

    def _stream(
        self,
        images: list[ImageInput],
        boxes: Sequence[np.ndarray] | None,
        batch_size: int,
        score_thr: float,
        max_pixels: int | None,
        output: dict[str, Any],
    ) -> Iterator[ImagePrediction]:
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            read = [
                _read_or_reason(image, None if boxes is None else boxes[start + i], max_pixels)
                for i, image in enumerate(batch)
            ]
            good = {i: pixels for i, pixels in enumerate(read) if isinstance(pixels, np.ndarray)}
            given = None if boxes is None else [boxes[start + i] for i in good]
            with self.least_score(score_thr):
                people = self.find_people(list(good.values()), given) if good else []
            found = dict(zip(good, people, strict=True))
            for i, image in enumerate(batch):
                prediction = ImagePrediction(
                    image.name,
                    _image_id(image, start + i),
                    min_confidence=output["min_confidence"],
                )
                prediction.surface = self.surface
                if i in good:
                    _fill(prediction, good[i], found[i], score_thr if boxes is None else -1.0)
                    prediction.error = _write_or_reason(prediction, output)
                else:
                    prediction.error = str(read[i])
                if prediction.error is not None:
                    self.warn(one_line(f"{image.name}: {prediction.error}"))
                yield prediction


def claim_prediction_files(
    images: Sequence[ImageInput],
    *,
    vis_out_dir: str | Path | None,
    pred_out_dir: str | Path | None,
    save: Sequence[str],
    preset: str,
    overwrite: bool,
    inputs: Sequence[str | Path] = (),
) -> None:
    """Check, before any work, that all files of a call may be written.

    Args:
        images: Inputs of the call.
        vis_out_dir: As in `DensePoseInferencer.__call__`, and so on.
        pred_out_dir: Likewise.
        save: Likewise.
        preset: Likewise.
        overwrite: Likewise.
        inputs: Further files that are read.

    Raises:
        UserError: One of them may not be written, or a folder is a file.
    """
    planned = []
    if vis_out_dir is not None:
        folder = claim_folder(vis_out_dir)
        planned += [folder / drawn_name(image.name) for image in images]
    if pred_out_dir is not None:
        folder = claim_folder(pred_out_dir)
        for image in images:
            files = prediction_files(image.name, folder, formats=save, preset=preset)
            planned += files.values()
    claim_outputs(planned, inputs=[*files_of(images), *inputs], overwrite=overwrite)


def checked_call(
    images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None, channel_order: str
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Return the pictures, as BGR, and boxes of a forward pass, checked, the boxes clipped.

    Raises:
        UserError: An array is no picture, a box is none or outside its picture, or there are more
            or fewer lists of boxes than pictures.
    """
    pictures = [
        as_bgr(check_picture_array(image, f"image {k}"), channel_order)
        for k, image in enumerate(images)
    ]
    if boxes is None:
        return pictures, None
    if len(boxes) != len(pictures):
        raise UserError(f"{len(boxes)} lists of boxes for {len(pictures)} images")
    return pictures, [
        checked_boxes(given, (image.shape[0], image.shape[1]), where=f"image {index}")
        for index, (given, image) in enumerate(zip(boxes, pictures, strict=True))
    ]


def _read_or_reason(
    image: ImageInput, boxes: np.ndarray | None, max_pixels: int | None
) -> np.ndarray | str:
    """Return the pixels, or why there are none that could be worked on."""
    try:
        pixels = image.read(max_pixels=max_pixels)
        if boxes is not None:
            checked_boxes(boxes, pixels.shape[:2])
    except UserError as error:
        return str(error)
    return pixels


def _write_or_reason(prediction: ImagePrediction, output: dict[str, Any]) -> str | None:
    """Draw and save; why files are missing, or None. Raises if the disk is full."""
    try:
        _write(prediction, output)
    except DiskFullError:
        raise
    except UserError as error:
        return str(error)
    return None


def _image_id(image: ImageInput, index: int) -> int:
    """Read the id off a COCO file name; others get their place in the call."""
    return int(image.stem) if image.stem.isdecimal() else index


def _fill(
    prediction: ImagePrediction, image: np.ndarray, found: FoundPeople, score_thr: float
) -> None:
    """Move what was found into the prediction, best score first."""
    order = np.argsort(-found.scores, kind="stable")
    order = order[found.scores[order] > score_thr]
    prediction.image_hw = (image.shape[0], image.shape[1])
    prediction.boxes_xyxy = found.boxes_xyxy[order]
    prediction.scores = found.scores[order]
    prediction.densepose = [found.densepose[i] for i in order]
    prediction.image = np.ascontiguousarray(image[..., ::-1])
    prediction.further = {
        name: [values[i] for i in order] if isinstance(values, list) else values[order]
        for name, values in found.further.items()
    }


def _write(prediction: ImagePrediction, output: dict[str, Any]) -> None:
    """Draw and save what the caller asked for."""
    image = prediction.image
    assert image is not None  # of a prediction without error
    if output["return_vis"] or output["vis_out_dir"] is not None:
        picture = prediction.draw(image, preset=output["preset"])
        if output["vis_out_dir"] is not None:
            path = Path(output["vis_out_dir"]) / drawn_name(prediction.name)
            write_image(path, fit_format(path, picture))
        if output["return_vis"]:
            prediction.picture = picture
    if output["pred_out_dir"] is not None:
        save_prediction(
            prediction,
            output["pred_out_dir"],
            formats=output["save"],
            image=image,
            preset=output["preset"],
            iuv_order=output["iuv_order"],
            overwrite=True,  # claimed at the call
        )
