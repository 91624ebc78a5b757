"""Heat-map codec of STIP: mmpose's MSRA targets, decoded with the official refinement.

Source: official STIP inference: each map is blurred (7x7 Gaussian), stretched back to its old
maximum, clipped, and its logarithm gives one Newton step from the arg-max. mmpose's own options
differ: `unbiased=True` blurs with 11x11, does not subtract the minimum and takes differences over
two cells; `UDPHeatmap` encodes differently too.
"""

from typing import Any

import cv2
import numpy as np
from mmengine.registry import Registry
from mmpose.codecs import MSRAHeatmap
from mmpose.codecs.utils import get_heatmap_maximum
from mmpose.registry import KEYPOINT_CODECS as MMPOSE_CODECS
from numpy.typing import NDArray

KEYPOINT_CODECS = Registry(
    "mmktn keypoint codec", parent=MMPOSE_CODECS, scope="mmktn", locations=[__name__]
)

_FLOOR, _CEILING = 1e-3, 50.0


def modulate(heatmaps: NDArray[np.float32], blur_kernel_size: int = 7) -> NDArray[np.float32]:
    """Blur each map and take its logarithm.

    Args:
        heatmaps: Maps ``(K, h, w)``; not changed.
        blur_kernel_size: Side of the Gaussian, odd; its deviation is
            ``0.3 * ((side - 1) / 2 - 1) + 0.8`` cells.

    Returns:
        Log maps ``(K, h, w)`` in [log 1e-3, log 50].
    """
    side = (blur_kernel_size, blur_kernel_size)
    blurred = np.stack([cv2.GaussianBlur(heatmap, side, 0) for heatmap in heatmaps])
    low = blurred.min((1, 2), keepdims=True)
    span = blurred.max((1, 2), keepdims=True) - low
    # A constant map has no span and no maximum to restore.
    stretched = (blurred - low) / np.where(span > 0, span, 1) * heatmaps.max((1, 2), keepdims=True)
    return np.log(np.clip(stretched, _FLOOR, _CEILING))


def newton_step(
    log_maps: NDArray[np.float32], cells_xy: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Find the step from a cell to the maximum of the parabola fitted around it.

    Args:
        log_maps: Log maps ``(K, h, w)``; outside them the border value continues.
        cells_xy: One cell a map ``(K, 2)``, inside it.

    Returns:
        Steps ``(K, 2)`` in cells, x before y.
    """
    padded = np.pad(log_maps.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    k = np.arange(len(log_maps))
    x, y = cells_xy.astype(np.int64).T + 1
    centre = padded[k, y, x]
    right, left = padded[k, y, x + 1], padded[k, y, x - 1]
    below, above = padded[k, y + 1, x], padded[k, y - 1, x]
    gradient = np.stack([right - left, below - above], axis=1) / 2
    xx = right - 2 * centre + left
    yy = below - 2 * centre + above
    diagonal = padded[k, y + 1, x + 1] + padded[k, y - 1, x - 1]
    xy = (diagonal - right - left - below - above + 2 * centre) / 2
    # The official code keeps a flat map invertible with float32's epsilon.
    epsilon = np.finfo(np.float32).eps
    xx, yy = xx + epsilon, yy + epsilon
    determinant = xx * yy - xy**2
    solvable = determinant != 0
    adjugate = np.stack([np.stack([yy, -xy], axis=1), np.stack([-xy, xx], axis=1)], axis=1)
    step = -(adjugate @ gradient[..., None])[..., 0]
    return np.where(solvable[:, None], step / np.where(solvable, determinant, 1)[:, None], 0.0)


@KEYPOINT_CODECS.register_module()
class RefinedHeatmap(MSRAHeatmap):
    """MSRA heat-maps, decoded on a logarithmic parabola as in the official STIP code.

    Args:
        *args: As for mmpose's MSRAHeatmap.
        blur_kernel_size: Side of the Gaussian blur before the fit, odd.
        **kwargs: As for mmpose's MSRAHeatmap.
    """

    def __init__(self, *args: Any, blur_kernel_size: int = 7, **kwargs: Any) -> None:
        super().__init__(*args, blur_kernel_size=blur_kernel_size, **kwargs)

    def decode(
        self, encoded: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Read one position a map.

        Args:
            encoded: Heat-maps ``(K, h, w)``.

        Returns:
            Key-points ``(1, K, 2)`` in input pixels and scores (map maxima) ``(1, K)``. A map whose
            maximum is not positive gives cell (-1, -1), as everywhere in mmpose.
        """
        heatmaps = np.asarray(encoded, dtype=np.float32)
        cells, scores = get_heatmap_maximum(heatmaps)
        found = scores > 0
        keypoints = cells.astype(np.float64)
        if found.any():
            maps = modulate(heatmaps[found], self.blur_kernel_size)
            keypoints[found] += newton_step(maps, cells[found])
        return (keypoints * self.scale_factor)[None], scores[None]
