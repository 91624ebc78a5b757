"""Random scale and rotation of the person box with STIP's (and HRNet's) clipped normals.

Source: official STIP loader. mmpose's RandomBBoxTransform draws truncated normals instead and also
shifts the box.
"""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmktn.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClippedBoxJitter(BaseTransform):
    """Scale and rotate the box about its centre.

    Required keys: ``bbox_scale`` ``(n, 2)``. Modified keys: ``bbox_scale``. Added keys:
    ``bbox_rotation`` ``(n,)``, degrees.

    Args:
        scale_deviation: The factor is ``1 + N(0, 1) * d``, clipped to ``1 - d .. 1 + d``.
        rotation_deviation: The angle is ``N(0, 1) * r`` degrees, clipped to ``-2r .. 2r``.
        rotation_prob: Probability of rotating at all.
    """

    def __init__(
        self,
        scale_deviation: float = 0.35,
        rotation_deviation: float = 45.0,
        *,
        rotation_prob: float = 0.6,
    ) -> None:
        self.scale_deviation = scale_deviation
        self.rotation_deviation = rotation_deviation
        self.rotation_prob = rotation_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw and apply; the random state is numpy's global one, as in mmpose's transforms."""
        count = len(results["bbox_scale"])
        scale = np.random.randn(count, 1) * self.scale_deviation  # noqa: NPY002
        scale = 1 + np.clip(scale, -self.scale_deviation, self.scale_deviation)
        angle = np.random.randn(count) * self.rotation_deviation  # noqa: NPY002
        limit = 2 * self.rotation_deviation
        rotated = np.random.rand(count) < self.rotation_prob  # noqa: NPY002
        results["bbox_scale"] = (results["bbox_scale"] * scale).astype(np.float32)
        results["bbox_rotation"] = np.where(rotated, np.clip(angle, -limit, limit), 0.0)
        return results
