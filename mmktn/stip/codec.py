"""Heat-map codec of STIP: mmpose's MSRA targets, decoded with the official refinement.

Source: official STIP inference: each map is blurred (7x7 Gaussian), stretched back to its old
maximum, clipped, and its logarithm gives one Newton step from the arg-max. mmpose's own options
differ: `unbiased=True` blurs with 11x11, does not subtract the minimum and takes differences over
two cells; `UDPHeatmap` encodes differently too.
"""

from typing import Any

import numpy as np
from mmengine.registry import Registry
from mmpose.codecs import MSRAHeatmap
from mmpose.registry import KEYPOINT_CODECS as MMPOSE_CODECS
from numpy.typing import NDArray

from mmktn.formats.keypoint_heatmaps import refined_keypoints

KEYPOINT_CODECS = Registry(
    "mmktn keypoint codec", parent=MMPOSE_CODECS, scope="mmktn", locations=[__name__]
)


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
            Keypoints ``(1, K, 2)`` in input pixels and scores (map maxima) ``(1, K)``. A map whose
            maximum is not positive gives cell (-1, -1), as everywhere in mmpose.
        """
        keypoints, scores = refined_keypoints(encoded, self.blur_kernel_size)
        return (keypoints * self.scale_factor)[None], scores[None]
