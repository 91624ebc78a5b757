"""`TopdownDensePoseInferencer`: images and boxes in, dense pose out.

A top-down system looks at one person at a time. Boxes come from the caller or from a detector:
any config of ours, or a stock one of mmdet, whose label 0 is the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.model_loading import load_config, model_class
from mmktn.apis.person_crops import predict_crops
from mmktn.apis.picture_predictor import checked_call
from mmktn.apis.test_pipeline import cuts_persons
from mmktn.zoo.named_weights import resolve_names


class TopdownDensePoseInferencer(DensePoseInferencer):
    """A top-down dense-pose model ready to be called, as `DensePoseInferencer` is.

    Args:
        model: Config file of configs/topdown, or a model that `load_model` gave.
        checkpoint: Weights; None initialises at random, which is of use for timing only.
        detector: Finds the people where no boxes are given; None: boxes have to be given.
        min_box_score: Detections at or below this score are not looked at.
        max_people: Detections looked at in an image, the best ones.
        device: As in `DensePoseInferencer`.
        cfg_options: Overrides of the config.
        compile: As in `DensePoseInferencer`.

    Raises:
        FileNotFoundError: See `load_model`.
        ValueError: See `load_model`; or the config is not a top-down one.
    """

    crops_persons = True

    def __init__(
        self,
        model: str | Path | Config | nn.Module,
        checkpoint: str | Path | None = None,
        *,
        detector: DensePoseInferencer | None = None,
        min_box_score: float = 0.05,
        max_people: int = 20,
        device: str | torch.device | None = None,
        cfg_options: dict[str, Any] | None = None,
        compile: bool | dict[str, Any] = False,  # as torch calls it
    ) -> None:
        super().__init__(model, checkpoint, device=device, cfg_options=cfg_options, compile=compile)
        self.detector = detector
        self.needs_boxes = detector is None
        self.min_box_score = min_box_score
        self.max_people = max_people

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        boxes: Sequence[np.ndarray] | None = None,
        channel_order: str = "RGB",
    ) -> list[InstanceData]:
        """Decode the charts of all people of some images.

        Args:
            images: (H, W, 3) uint8 arrays, of any sizes.
            boxes: For each image (N, 4) xyxy boxes in its pixels, or None to detect.
            channel_order: 'RGB', or 'BGR' as OpenCV reads pictures.

        Returns:
            For each image `bboxes`, `scores` (of the boxes; 1 for given ones), `labels` and
            `densepose`, in its own pixels.

        Raises:
            UserError: No boxes and no detector, an array is no picture, or a box has no area, has
                numbers that are not finite or lies outside its image.
        """
        self.check_boxes(boxes)
        images, boxes = checked_call(images, boxes, channel_order)
        if boxes is not None:
            found = [
                InstanceData(bboxes=given, scores=np.ones(len(given), np.float32))
                for given in boxes
            ]
        else:
            found = self._detected(images)
        init_default_scope(self.model.cfg.get("default_scope") or "mmpose")
        return [
            predict_crops(self.model, self.pipeline, image, people)
            for image, people in zip(images, found, strict=True)
        ]

    def _detected(self, images: Sequence[np.ndarray]) -> list[InstanceData]:
        """Return the boxes and scores of the people of each image, as arrays."""
        assert self.detector is not None  # else boxes are needed
        found = []
        for people in self.detector.predict(images, channel_order="BGR"):
            keep = (people.scores > self.min_box_score) & (people.labels == 0)
            order = people.scores[keep].argsort(descending=True)[: self.max_people]
            found.append(
                InstanceData(
                    bboxes=people.bboxes[keep][order].float().cpu().numpy(),
                    scores=people.scores[keep][order].float().cpu().numpy(),
                )
            )
        return found


def open_inferencer(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    *,
    detector: str | Path | Config | None = None,
    detector_checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    cfg_options: dict[str, Any] | None = None,
    compile: bool | dict[str, Any] = False,  # as torch calls it
) -> DensePoseInferencer:
    """Open the inferencer that fits a config.

    Args:
        config: Config of dense pose, top-down or not, or name of a published model; None takes the
            model that comes with mmktn.
        checkpoint: Its weights: file, address or name. None takes the published ones of a name.
        detector: Config of a detector, for top-down systems.
        detector_checkpoint: Its weights.
        device: As in `DensePoseInferencer`.
        cfg_options: Overrides of `config`.
        compile: As in `DensePoseInferencer`, for `config`.

    Raises:
        FileNotFoundError: See `load_model`.
        ValueError: See `load_model`; or a detector is given to a system that finds people itself;
            or the system estimates keypoints alone.
    """
    config, checkpoint = resolve_names(config, checkpoint)
    cfg = load_config(config)
    crops = getattr(model_class(cfg), "looks_at", "image") == "person"
    if not crops and cuts_persons(cfg):
        raise ValueError(
            f"{config}: a pose config, which makes no charts: use demo/pose_demo.py, or "
            "mmktn.apis.pose_estimator.PoseEstimator"
        )
    if not crops:
        if detector is not None:
            raise ValueError(f"{config}: finds people itself, so detector={detector} has no use")
        return DensePoseInferencer(
            cfg, checkpoint, device=device, cfg_options=cfg_options, compile=compile
        )
    boxes = (
        None
        if detector is None
        else DensePoseInferencer(detector, detector_checkpoint, device=device)
    )
    return TopdownDensePoseInferencer(
        cfg,
        checkpoint,
        detector=boxes,
        device=device,
        cfg_options=cfg_options,
        compile=compile,
    )
