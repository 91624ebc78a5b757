"""`DensePoseInferencer`: images in, dense pose out, in batches, with pictures and files on the way.

Departs from mmdet's `DetInferencer`: a file that cannot be read is reported and the others go on,
results stream out one by one, and the model keeps the device and number type the user gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from mmktn.apis.image_inputs import ImageInput, list_inputs
from mmktn.apis.model_loading import load_model
from mmktn.apis.person_crops import predict_crops
from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.visualization.colormaps import get_preset
from mmktn.visualization.iuv_files import ChannelOrder, write_image


class DensePoseInferencer:
    """A DensePose R-CNN ready to be called.

    Args:
        model: Config file (a path, or `mmktn::folder/name.py`), or a model that `load_model` gave.
        checkpoint: Weights; None initialises at random, which is of use for timing only.
        device: Where the model goes; None takes the GPU if there is one, and leaves a ready model
            where it is.
        cfg_options: Overrides of the config.

    Raises:
        FileNotFoundError, ValueError: See `load_model`.
    """

    crops_persons = False

    def __init__(
        self,
        model: str | Path | Config | nn.Module,
        checkpoint: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(model, nn.Module):
            self.model = model if device is None else model.to(device)
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

    def _has_step(self, name: str) -> bool:
        return any(type(step).__name__ == name for step in self.pipeline.transforms)

    def __call__(
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
    ) -> Iterator[ImagePrediction]:
        """Predict, lazily: work is done as results are taken.

        Args:
            inputs: A path, a folder, an (H, W, 3) uint8 BGR array, or a list of these.
            batch_size: Images a forward pass. Images of a batch are padded to a common size.
            score_thr: People at or below this score are left out; given boxes all stay.
            boxes: For each input (N, 4) xyxy boxes in its pixels; the detector is skipped then.
            return_vis: Fill `picture`.
            preset: Look of pictures, see `mmktn.visualization.PRESETS`.
            vis_out_dir: Write each picture (boxes, charts, U, V) here under the image's file name.
            pred_out_dir: Write predictions here, in the formats of `save`.
            save: Some of 'json', 'npz', 'iuv', 'charts'; see `save_prediction`.
            iuv_order: Channel order of 'iuv' files.

        Yields:
            One `ImagePrediction` an input, in order. An image that cannot be read gives one with
            `error` set, and a warning in the log.

        Raises:
            ValueError: No inputs, unknown preset, or another number of box lists than inputs.
        """
        images = list_inputs(inputs)
        get_preset(preset)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        if boxes is not None and len(boxes) != len(images):
            raise ValueError(f"{len(boxes)} lists of boxes for {len(images)} images")
        return self._stream(
            images,
            boxes,
            batch_size,
            score_thr,
            {
                "return_vis": return_vis,
                "preset": preset,
                "vis_out_dir": vis_out_dir,
                "pred_out_dir": pred_out_dir,
                "save": tuple(save),
                "iuv_order": iuv_order,
            },
        )

    def predict(
        self, images: Sequence[np.ndarray], *, boxes: Sequence[np.ndarray] | None = None
    ) -> list[InstanceData]:
        """One forward pass over a batch of arrays.

        Args:
            images: (H, W, 3) uint8 BGR arrays, of any sizes.
            boxes: For each image (N, 4) xyxy boxes in its pixels, or None to detect. Single-person
                systems look at each box by itself; without boxes they take the image for a person.

        Returns:
            For each image `bboxes`, `scores`, `labels` and `densepose`, in its own pixels.
        """
        init_default_scope(self.model.cfg.get("default_scope") or "mmdet")
        if boxes is not None and self._has_step("WarpToPerson"):
            return [
                predict_crops(self.model, self.pipeline, image, _as_people(_checked_boxes(given)))
                for image, given in zip(images, boxes, strict=True)
            ]
        packed = [self.pipeline(_results_of(image)) for image in images]
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

    def _predict_on_boxes(
        self, pixels: torch.Tensor, samples: list[Any], boxes: Sequence[np.ndarray]
    ) -> list[InstanceData]:
        """Decode charts in given boxes; their scores are 1."""
        if not hasattr(self.model, "roi_head"):
            # Fully convolutional: boxes are cut out of the result of the image.
            for sample, given in zip(samples, boxes, strict=True):
                kept = _checked_boxes(given)
                scores = np.ones(len(kept), dtype=np.float32)
                sample.set_metainfo({"given_boxes": kept, "given_scores": scores})
            return [found.pred_instances for found in self.model(pixels, samples, mode="predict")]
        rois, results = [], []
        for sample, given in zip(samples, boxes, strict=True):
            bboxes = torch.as_tensor(_checked_boxes(given), device=pixels.device)
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
        output: dict[str, Any],
    ) -> Iterator[ImagePrediction]:
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            read = [_read_or_reason(image) for image in batch]
            good = {i: pixels for i, pixels in enumerate(read) if isinstance(pixels, np.ndarray)}
            given = None if boxes is None else [boxes[start + i] for i in good]
            people = self.predict(list(good.values()), boxes=given) if good else []
            found = dict(zip(good, people, strict=True))
            for i, image in enumerate(batch):
                prediction = ImagePrediction(image.name, _image_id(image, start + i))
                if i in good:
                    _fill(prediction, good[i], found[i], score_thr if boxes is None else -1.0)
                    _write(prediction, good[i], output)
                else:
                    prediction.error = str(read[i])
                    MMLogger.get_current_instance().warning(f"{image.name}: {read[i]}")
                yield prediction


def _array_pipeline(cfg: Config) -> Compose:
    """The config's test pipeline without its loading steps: it starts from an array."""
    init_default_scope(cfg.get("default_scope") or "mmdet")
    steps = cfg.test_dataloader.dataset.pipeline
    kept = [step for step in steps if not step["type"].split(".")[-1].startswith("Load")]
    return Compose(kept)


def _results_of(image: np.ndarray) -> dict[str, Any]:
    return {
        "img": image,
        "img_id": 0,
        "img_path": "",
        "img_shape": image.shape[:2],
        "ori_shape": image.shape[:2],
    }


def _read_or_reason(image: ImageInput) -> np.ndarray | str:
    """Pixels, or why there are none."""
    try:
        return image.read()
    except FileNotFoundError:
        return f"no such file: {image.source}"
    except ValueError as error:
        return str(error)


def _image_id(image: ImageInput, index: int) -> int:
    """COCO file names are their ids; others get their place in the call."""
    return int(image.stem) if image.stem.isdecimal() else index


def _checked_boxes(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) float32 boxes with an area.

    Raises:
        ValueError: Another shape, or a box without an area.
    """
    array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    empty = (array[:, 2:] <= array[:, :2]).any(axis=1)
    if empty.any():
        raise ValueError(f"box {array[empty][0].tolist()} (xyxy) has no area")
    return array


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


def _write(prediction: ImagePrediction, image_bgr: np.ndarray, output: dict[str, Any]) -> None:
    """Draw and save what the caller asked for."""
    image = np.ascontiguousarray(image_bgr[..., ::-1])
    if output["return_vis"] or output["vis_out_dir"] is not None:
        picture = prediction.draw(image, preset=output["preset"])
        if output["vis_out_dir"] is not None:
            write_image(Path(output["vis_out_dir"]) / prediction.name, picture)
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
        )
