"""`DensePoseInferencer`: images in, dense pose out, in batches, with pictures and files on the way.

Departs from mmdet's `DetInferencer`: a file that cannot be read is reported and the others go on,
results stream out one by one, and the model keeps the device and number type the user gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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

from mmktn.apis.model_loading import load_model
from mmktn.apis.person_crops import predict_crops
from mmktn.apis.picture_predictor import PicturePredictor, checked_call
from mmktn.apis.prediction import charts_of
from mmktn.apis.test_pipeline import cuts_persons, find_test_pipeline, type_name
from mmktn.datasets.transforms import WarpToPerson
from mmktn.engine.compiled_parts import begin_step, compile_static_parts
from mmktn.models.layers.cpu_inference import prepare_for_cpu
from mmktn.runtime.found import FoundPeople
from mmktn.structures import VertexResults
from mmktn.utils.devices import find_device
from mmktn.utils.user_error import UserError


class DensePoseInferencer(PicturePredictor):
    """A DensePose R-CNN ready to be called.

    On the CPU the batch norms of a ResNet that is loaded here are folded into its convolutions
    (mmktn/models/layers/cpu_inference.py); to train on, take `load_model`.

    Args:
        model: Config file (a path, or `mmktn::folder/name.py`), name of a published model
            (docs/models.md), or a model that `load_model` gave; None takes the one that comes with
            mmktn.
        checkpoint: Weights: file, address or name. None takes the published ones of a name; those
            of a config are initialised at random, which is of use for timing only.
        device: Where the model goes; None takes the GPU if there is one, and leaves a ready model
            where it is.
        cfg_options: Overrides of the config.
        compile: Compile the parts of fixed shapes (`mmktn.engine.compile_static_parts`): True, or a
            dict of its arguments. The first picture of each size then takes long.

    Raises:
        FileNotFoundError, ValueError: See `load_model`, `compile_static_parts`.
    """

    crops_persons = False

    def __init__(
        self,
        model: str | Path | Config | nn.Module | None = None,
        checkpoint: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        cfg_options: dict[str, Any] | None = None,
        compile: bool | dict[str, Any] = False,  # as torch calls it
    ) -> None:
        if isinstance(model, nn.Module):
            self.model = model if device is None else model.to(find_device(device))
        else:
            self.model = load_model(model, checkpoint, device=device, cfg_options=cfg_options)
            if not compile and next(self.model.parameters()).device.type == "cpu":
                prepare_for_cpu(self.model)
        self.pipeline = _array_pipeline(self.model.cfg)
        self.surface = str(self.model.cfg.get("surface") or "human")
        parts = self.model.modules()
        self.gives_confidence = any(getattr(part, "gives_confidence", False) for part in parts)
        self._check_kind()
        if compile is not False:
            compile_static_parts(self.model, **({} if compile is True else compile))

    def _check_kind(self) -> None:
        """Check that the config is of the kind this class runs.

        Raises:
            ValueError: A top-down config here, another one in the top-down inferencer, or a pose
                config.
        """
        crops = getattr(self.model, "looks_at", "image") == "person"
        if not crops and cuts_persons(self.model.cfg):
            raise ValueError(
                "this is a pose config, which makes no charts: use "
                "mmktn.apis.pose_estimator.PoseEstimator"
            )
        if crops and not self.crops_persons:
            raise ValueError(
                "this is a top-down config, which needs boxes: use TopdownDensePoseInferencer, or "
                "open_inferencer, which picks the right one"
            )
        if self.crops_persons and not crops:
            raise ValueError(
                "this is not a top-down config (its model looks at whole images): use "
                "DensePoseInferencer"
            )

    def warn(self, text: str) -> None:
        """Put a line into mmengine's log."""
        MMLogger.get_current_instance().warning(text)

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        boxes: Sequence[np.ndarray] | None = None,
        channel_order: str = "RGB",
    ) -> list[InstanceData]:
        """Return one forward pass over a batch of arrays.

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
        begin_step()
        if boxes is not None and any(
            isinstance(step, WarpToPerson) for step in self.pipeline.transforms
        ):
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
        """Return one image through the test pipeline.

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

    def least_score(self, score_thr: float) -> AbstractContextManager[None]:
        """Let the model leave out people at or below a score before it decodes them."""
        return _least_score(self.model, score_thr)

    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None
    ) -> list[FoundPeople]:
        """Run `predict` and take its results out of their tensors; see `PicturePredictor`."""
        return [
            _as_found(people) for people in self.predict(images, boxes=boxes, channel_order="BGR")
        ]


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
    """Return the config's test pipeline without its loading steps: it starts from an array."""
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


def _as_people(boxes: np.ndarray) -> InstanceData:
    """Return the boxes (N, 4) with a score of 1 each."""
    return InstanceData(bboxes=boxes, scores=np.ones(len(boxes), dtype=np.float32))


def _as_found(found: InstanceData) -> FoundPeople:
    """Return what was found, as arrays.

    Raises:
        ValueError: The model makes no charts.
    """
    if "densepose" not in found and "vertices" in found:
        found.densepose = charts_of(found.vertices)
    if "densepose" not in found:
        raise ValueError(
            f"this model makes no charts but {sorted(found.keys())}: call `predict`, or draw with "
            "python -m mmktn test --show-dir"
        )
    known = ("bboxes", "scores", "labels", "densepose")
    return FoundPeople(
        boxes_xyxy=found.bboxes.float().cpu().numpy(),
        scores=found.scores.float().cpu().numpy(),
        densepose=list(found.densepose.cpu()),
        further={
            name: value.float().cpu().numpy() if isinstance(value, torch.Tensor) else _on_cpu(value)
            for name, value in found.items()
            if name not in known
        },
    )


def _on_cpu(value: Any) -> Any:
    """Return what the other heads said, where it can be written."""
    return value.cpu() if isinstance(value, VertexResults) else value
