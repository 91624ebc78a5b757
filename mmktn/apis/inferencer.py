"""`DensePoseInferencer`: images in, dense pose out, in batches, with pictures and files on the way.

Departs from mmdet's `DetInferencer`: a file that cannot be read is reported and the others go on,
results stream out one by one, and the model keeps the device and number type the user gave it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mmktn.apis.given_boxes import checked_boxes
from mmktn.apis.image_inputs import ImageInput, as_bgr, files_of, list_inputs
from mmktn.apis.model_loading import load_model
from mmktn.apis.person_crops import predict_crops
from mmktn.apis.prediction import (
    ImagePrediction,
    charts_of,
    drawn_name,
    prediction_files,
    save_prediction,
)
from mmktn.apis.test_pipeline import find_test_pipeline, type_name
from mmktn.formats.pictures import check_picture_array
from mmktn.structures import VertexResults
from mmktn.utils.devices import find_device
from mmktn.utils.output_files import DiskFullError, claim_folder, claim_outputs
from mmktn.utils.user_error import UserError, one_line
from mmktn.visualization.colormaps import get_preset
from mmktn.visualization.iuv_files import ChannelOrder, fit_format, write_image


class DensePoseInferencer:
    """A DensePose R-CNN ready to be called.

    Args:
        model: Config file (a path, or `mmktn::folder/name.py`), name of a published model
            (docs/models.md), or a model that `load_model` gave; None takes the one that comes with
            mmktn.
        checkpoint: Weights: file, address or name. None takes the published ones of a name; those
            of a config are initialised at random, which is of use for timing only.
        device: Where the model goes; None takes the GPU if there is one, and leaves a ready model
            where it is.
        cfg_options: Overrides of the config.

    Raises:
        FileNotFoundError, ValueError: See `load_model`.
    """

    crops_persons = False

    def __init__(
        self,
        model: str | Path | Config | nn.Module | None = None,
        checkpoint: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(model, nn.Module):
            self.model = model if device is None else model.to(find_device(device))
        else:
            self.model = load_model(model, checkpoint, device=device, cfg_options=cfg_options)
        self.pipeline = _array_pipeline(self.model.cfg)
        self._check_kind()

    def _check_kind(self) -> None:
        """Check that the config is of the kind this class runs.

        Raises:
            ValueError: A top-down config here, or another one in the top-down inferencer.
        """
        crops = self._has_step("GetBBoxCenterScale")
        if crops and not self.crops_persons:
            raise ValueError(
                "this is a top-down config, which needs boxes: use TopdownDensePoseInferencer, or "
                "open_inferencer, which picks the right one"
            )
        if self.crops_persons and not crops:
            raise ValueError(
                "this is not a top-down config (its test pipeline has no GetBBoxCenterScale): use "
                "DensePoseInferencer"
            )

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
        if asked and not any(
            getattr(part, "gives_confidence", False) for part in self.model.modules()
        ):
            raise UserError(
                "this model gives no confidence; use one with the map sigma_2, or set "
                "model.roi_head.densepose_head.decoder.chart_confidence=True with --cfg-options "
                "(top-down: model.head.densepose_head...; docs/confidence.md)"
            )

    def _has_step(self, name: str) -> bool:
        return any(type(step).__name__ == name for step in self.pipeline.transforms)

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
                finite, an output file that exists or is an input, or confidences are asked of a
                model that gives none. Nothing has been done then.
                Later, if the disk is full.
        """
        images = list_inputs(inputs, channel_order=channel_order)
        get_preset(preset)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if math.isnan(score_thr):  # no score is above NaN, so that nobody would be found
            raise UserError("score_thr is not a number")
        self.check_confidence(min_confidence, save if pred_out_dir is not None else ())
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

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        boxes: Sequence[np.ndarray] | None = None,
        channel_order: str = "RGB",
    ) -> list[InstanceData]:
        """One forward pass over a batch of arrays.

        Args:
            images: (H, W, 3) uint8 arrays, of any sizes.
            boxes: For each image (N, 4) xyxy boxes in its pixels, or None to detect. Single-person
                systems look at each box by itself; without boxes they take the image for a person.
            channel_order: 'RGB', or 'BGR' as OpenCV reads pictures.

        Returns:
            For each image `bboxes`, `scores`, `labels` and `densepose`, in its own pixels.

        Raises:
            UserError: An array is no picture, a box is none or outside; the place is named.
        """
        images, boxes = checked_call(images, boxes, channel_order)
        init_default_scope(self.model.cfg.get("default_scope") or "mmdet")
        if boxes is not None and self._has_step("WarpToPerson"):
            return [
                predict_crops(self.model, self.pipeline, image, _as_people(given))
                for image, given in zip(images, boxes, strict=True)
            ]
        packed = [self._packed(image) for image in images]
        batch = {
            "inputs": [item["inputs"] for item in packed],
            "data_samples": [item["data_samples"] for item in packed],
        }
        with torch.no_grad():
            data = self.model.data_preprocessor(batch, training=False)
            pixels = data["inputs"].to(next(self.model.parameters()).dtype)
            if boxes is None:
                samples = self.model(pixels, data["data_samples"], mode="predict")
                return [sample.pred_instances for sample in samples]
            return self._predict_on_boxes(pixels, data["data_samples"], boxes)

    def _packed(self, image: np.ndarray) -> dict[str, Any]:
        """One image through the test pipeline.

        Raises:
            UserError: The pipeline asks for more than a picture.
        """
        try:
            return self.pipeline(_results_of(image))
        except KeyError as error:
            name = getattr(self.model.cfg, "filename", None) or "the config"
            raise UserError(
                f"{name}: its test pipeline needs what a picture alone does not give: "
                f"{error.args[0]}"
            ) from error

    def _predict_on_boxes(
        self, pixels: torch.Tensor, samples: list[Any], boxes: Sequence[np.ndarray]
    ) -> list[InstanceData]:
        """Decode charts in given boxes; their scores are 1."""
        if not hasattr(self.model, "roi_head"):
            # Fully convolutional: boxes are cut out of the result of the image.
            for sample, given in zip(samples, boxes, strict=True):
                scores = np.ones(len(given), dtype=np.float32)
                sample.set_metainfo({"given_boxes": given, "given_scores": scores})
            return [found.pred_instances for found in self.model(pixels, samples, mode="predict")]
        rois, results = [], []
        for sample, given in zip(samples, boxes, strict=True):
            bboxes = torch.as_tensor(given, device=pixels.device)
            scale = bboxes.new_tensor(sample.scale_factor).repeat(2)
            results.append(
                InstanceData(
                    bboxes=bboxes,
                    scores=bboxes.new_ones(len(bboxes)),
                    labels=torch.zeros(len(bboxes), dtype=torch.long, device=pixels.device),
                )
            )
            rois.append((bboxes * scale).to(pixels.dtype))
        features = self.model.extract_feat(pixels)
        return self.model.roi_head.predict_densepose(features, rois, results)

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
            with _least_score(self.model, score_thr):
                people = (
                    self.predict(list(good.values()), boxes=given, channel_order="BGR")
                    if good
                    else []
                )
            found = dict(zip(good, people, strict=True))
            for i, image in enumerate(batch):
                prediction = ImagePrediction(
                    image.name,
                    _image_id(image, start + i),
                    min_confidence=output["min_confidence"],
                )
                prediction.surface = str(self.model.cfg.get("surface") or "human")
                if i in good:
                    _fill(prediction, good[i], found[i], score_thr if boxes is None else -1.0)
                    prediction.error = _write_or_reason(prediction, output)
                else:
                    prediction.error = str(read[i])
                if prediction.error is not None:
                    text = one_line(f"{image.name}: {prediction.error}")
                    MMLogger.get_current_instance().warning(text)
                yield prediction


@contextmanager
def _least_score(model: nn.Module, score_thr: float) -> Iterator[None]:
    """Let a region-based model leave out the people below a score before it decodes their charts.

    The model's own threshold stays where it is higher.
    """
    cfg = getattr(getattr(model, "roi_head", None), "test_cfg", None)
    before = None if cfg is None else cfg.get("score_thr")
    if cfg is None or before is None or score_thr <= before:
        yield
        return
    cfg["score_thr"] = score_thr
    try:
        yield
    finally:
        cfg["score_thr"] = before


def _array_pipeline(cfg: Config) -> Compose:
    """The config's test pipeline without its loading steps: it starts from an array."""
    init_default_scope(cfg.get("default_scope") or "mmdet")
    steps = find_test_pipeline(cfg)
    return Compose([step for step in steps if not type_name(step).startswith("Load")])


def _results_of(image: np.ndarray) -> dict[str, Any]:
    return {
        "img": image,
        "img_id": 0,
        "img_path": "",
        "img_shape": image.shape[:2],
        "ori_shape": image.shape[:2],
    }


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
    """Pictures, as BGR, and boxes of a forward pass, checked, the boxes clipped.

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
    """Pixels, or why there are none that could be worked on."""
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
    """COCO file names are their ids; others get their place in the call."""
    return int(image.stem) if image.stem.isdecimal() else index


def _as_people(boxes: np.ndarray) -> InstanceData:
    """Boxes (N, 4) with a score of 1 each."""
    return InstanceData(bboxes=boxes, scores=np.ones(len(boxes), dtype=np.float32))


def _fill(
    prediction: ImagePrediction, image: np.ndarray, found: InstanceData, score_thr: float
) -> None:
    """Move what was found into the prediction, best score first.

    Raises:
        ValueError: The model makes no charts.
    """
    if "densepose" not in found and "vertices" in found:
        found.densepose = charts_of(found.vertices)
    if "densepose" not in found:
        raise ValueError(
            f"this model makes no charts but {sorted(found.keys())}: call `predict`, or draw with "
            "tools/test.py --show-dir"
        )
    order = torch.argsort(found.scores, descending=True, stable=True)
    found = found[order[found.scores[order] > score_thr]]
    prediction.image_hw = (image.shape[0], image.shape[1])
    prediction.boxes_xyxy = found.bboxes.float().cpu().numpy()
    prediction.scores = found.scores.float().cpu().numpy()
    prediction.densepose = found.densepose.cpu()
    prediction.image = np.ascontiguousarray(image[..., ::-1])
    known = ("bboxes", "scores", "labels", "densepose")
    prediction.further = {
        name: value.float().cpu().numpy() if isinstance(value, torch.Tensor) else _on_cpu(value)
        for name, value in found.items()
        if name not in known
    }


def _on_cpu(value: Any) -> Any:
    """What the other heads said, where it can be written."""
    return value.cpu() if isinstance(value, VertexResults) else value


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
