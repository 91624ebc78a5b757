"""`ExportedInferencer`: `DensePoseInferencer` on an exported folder, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmktn.apis.picture_predictor import PicturePredictor, checked_call
from mmktn.runtime import FoundPeople, open_exported
from mmktn.utils.user_error import UserError


class ExportedInferencer(PicturePredictor):
    """An exported system of dense pose ready to be called, as `DensePoseInferencer` is.

    Args:
        folder: What `python -m mmktn export --out` wrote (docs/export.md).
        engine: 'onnx' or 'openvino'; None: what the system was exported for.
        threads: Threads of a network; None: as many as there are cores.

    Raises:
        UserError: See `open_exported`; or the system makes no charts.
    """

    def __init__(
        self, folder: str | Path, *, engine: str | None = None, threads: int | None = None
    ) -> None:
        self.system = open_exported(folder, engine=engine, threads=threads)
        manifest = self.system.manifest
        if "charts" not in manifest.settings:
            raise UserError(
                f"{folder}: {manifest.name} makes keypoints and no charts; call "
                "mmktn.runtime.open_exported(folder).find_people"
            )
        self.needs_boxes = self.system.needs_boxes
        self.surface = manifest.surface
        self.gives_confidence = bool(manifest.settings["charts"]["confidence"])

    def predict(
        self,
        images: Sequence[np.ndarray],
        *,
        boxes: Sequence[np.ndarray] | None = None,
        channel_order: str = "RGB",
    ) -> list[FoundPeople]:
        """Look at a batch of arrays.

        Args:
            images: (H, W, 3) uint8 arrays, of any sizes.
            boxes: For each image (N, 4) xyxy boxes in its pixels, or None to detect.
            channel_order: 'RGB', or 'BGR' as OpenCV reads pictures.

        Returns:
            For each image boxes, scores and charts in its own pixels, as arrays.

        Raises:
            UserError: An array is no picture, a box is none or outside, or the system needs boxes.
        """
        pictures, checked = checked_call(images, boxes, channel_order)
        return self.system.find_people(pictures, checked)

    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None
    ) -> list[FoundPeople]:
        """As `predict`, with pictures as OpenCV reads them; see `PicturePredictor`."""
        return self.predict(images, boxes=boxes, channel_order="BGR")
