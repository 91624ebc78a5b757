"""Top-down pose of given boxes from Python: keypoints, and STIP's maps of one crop.

Works with every top-down config of configs/stip; what the config does at test time (crop size, flip
test, decoding) happens here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from mmktn.apis.given_boxes import checked_boxes
from mmktn.apis.model_loading import load_config, load_model
from mmktn.apis.test_pipeline import find_test_pipeline, innermost_dataset
from mmktn.formats.pictures import check_picture_array
from mmktn.utils.keypoint_count import require_keypoint_count
from mmktn.utils.user_error import UserError
from mmktn.zoo.named_weights import resolve_names

_LOADERS = ("test_dataloader", "val_dataloader", "train_dataloader")


@dataclass(frozen=True)
class PosePrediction:
    """Keypoints of N persons of one image.

    Attributes:
        boxes_xyxy: Boxes ``(N, 4)``, image pixels.
        box_scores: ``(N,)``.
        keypoints: ``(N, K, 2)``, image pixels.
        keypoint_scores: ``(N, K)``, maxima of the heat-maps.
    """

    boxes_xyxy: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]


class PoseEstimator:
    """A top-down model ready for images.

    Args:
        config: Config file, `mmktn::stip/name.py`, or name of a published model (docs/models.md).
        checkpoint: File, address or name; None takes the published weights of a name, and random
            ones for a config.
        device: Where the model runs; None takes the GPU if there is one.
        cfg_options: Overrides, as `--cfg-options`.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The checkpoint does not fit, the config is not a top-down one, or its head and
            its test set differ in their number of keypoints.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path | None = None,
        *,
        device: str | None = None,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        config, checkpoint = resolve_names(config, checkpoint)
        cfg = load_config(config)
        loader = next((n for n in _LOADERS if (cfg.get(n) or {}).get("dataset")), None)
        if cfg.get("default_scope") != "mmpose" or loader is None:
            raise ValueError(
                f"{getattr(cfg, 'filename', config)}: not a top-down pose config (those of "
                f"configs/stip have default_scope 'mmpose' and one of {', '.join(_LOADERS)})"
            )
        self.model = load_model(cfg, checkpoint, device=device, cfg_options=cfg_options)
        self._pipeline = Compose(find_test_pipeline(cfg))
        self.meta = _pose_meta(cfg[loader].dataset)
        require_keypoint_count(self.model, self.meta, source=f"{loader}.dataset")

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the K keypoints in order."""
        return [self.meta["keypoint_id2name"][k] for k in range(self.meta["num_keypoints"])]

    def predict(
        self,
        image_bgr: NDArray[np.uint8],
        boxes_xyxy: NDArray[np.floating],
        *,
        box_scores: NDArray[np.floating] | None = None,
        batch_size: int = 16,
    ) -> PosePrediction:
        """Estimate the pose of the person of each box.

        Args:
            image_bgr: Picture ``(H, W, 3)``.
            boxes_xyxy: Boxes ``(N, 4)`` in image pixels; they are clipped to the picture.
            box_scores: ``(N,)``; None = 1.
            batch_size: Crops per forward pass.

        Returns:
            One pose per box, in the order of the boxes.

        Raises:
            UserError: The array is no picture; a box (its index is named) has no area, has numbers
                that are not finite or lies outside; or another number of scores than boxes.
        """
        image_bgr = check_picture_array(image_bgr, "image_bgr")
        boxes = checked_boxes(boxes_xyxy, (image_bgr.shape[0], image_bgr.shape[1]))
        scores = np.ones(len(boxes)) if box_scores is None else np.asarray(box_scores)
        if scores.shape != (len(boxes),):
            raise UserError(f"box_scores have the shape {scores.shape}, for {len(boxes)} boxes")
        keypoints, keypoint_scores = [], []
        for start in range(0, len(boxes), batch_size):
            crops = [self._crop(image_bgr, box) for box in boxes[start : start + batch_size]]
            with torch.no_grad():
                samples = self.model.test_step(pseudo_collate(crops))
            keypoints += [sample.pred_instances.keypoints[0] for sample in samples]
            keypoint_scores += [sample.pred_instances.keypoint_scores[0] for sample in samples]
        count = self.meta["num_keypoints"]
        return PosePrediction(
            boxes_xyxy=boxes,
            box_scores=scores.astype(np.float32),
            keypoints=np.array(keypoints, dtype=np.float32).reshape(-1, count, 2),
            keypoint_scores=np.array(keypoint_scores, dtype=np.float32).reshape(-1, count),
        )

    def stip_maps(
        self, image_bgr: NDArray[np.uint8], box_xyxy: NDArray[np.floating]
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.float32]]]:
        """Compute the inner maps of STIP for one crop.

        Args:
            image_bgr: Picture ``(H, W, 3)``.
            box_xyxy: Box ``(4,)``.

        Returns:
            The crop ``(h, w, 3)`` RGB, and by name: ``final``, ``initial``, ``spatial``,
            ``kernel``, ``transfer_matrix`` ``(K, ., .)``, ``graph``, ``mask`` ``(1, ., .)`` in
            [0, 1] and ``semantics`` ``(K,)`` in [0, 1]; what the model lacks is absent.

        Raises:
            ValueError: The model's head is no STIPHead, or the box is empty or outside.
        """
        if not hasattr(self.model.head, "forward_maps"):
            raise ValueError(
                f"the head {type(self.model.head).__name__} has no inner maps; take a stip config"
            )
        image_bgr = check_picture_array(image_bgr, "image_bgr")
        image_hw = (image_bgr.shape[0], image_bgr.shape[1])
        box = checked_boxes(np.asarray(box_xyxy)[None], image_hw)[0]
        batch = pseudo_collate([self._crop(image_bgr, box)])
        crop = np.ascontiguousarray(batch["inputs"][0].permute(1, 2, 0).numpy()[..., ::-1])
        with torch.no_grad():
            inputs = self.model.data_preprocessor(batch, training=False)["inputs"]
            output = self.model.head.forward_maps(self.model.extract_feat(inputs))
        maps = {
            name: getattr(output, name)
            for name in ("final", "initial", "spatial", "kernel", "transfer_matrix", "graph")
        }
        for name in ("mask", "semantics"):
            logits = getattr(output, f"{name}_logits")
            maps[name] = None if logits is None else logits.sigmoid()
        return crop, {
            name: value[0].float().cpu().numpy()
            for name, value in maps.items()
            if value is not None
        }

    def _crop(self, image_bgr: NDArray[np.uint8], box: NDArray[np.float32]) -> dict[str, Any]:
        keys = ("dataset_name", "flip_indices", "flip_pairs", "upper_body_ids", "lower_body_ids")
        return self._pipeline(
            {
                "img": image_bgr,
                "img_path": "",
                "bbox": box[None],
                "bbox_score": np.ones(1, dtype=np.float32),
                **{key: self.meta[key] for key in keys},
            }
        )


def _pose_meta(dataset: Any) -> dict[str, Any]:
    """Read what keypoints a data set has: a wrapper's own, else those of what is inside."""
    inner = innermost_dataset(dataset)
    kind = inner.type if isinstance(inner.type, type) else DATASETS.get(inner.type)
    meta: dict[str, Any] = kind._load_metainfo(dataset.get("metainfo") or inner.get("metainfo"))
    return meta
