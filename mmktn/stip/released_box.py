"""Centre and size of a person's crop as the released code of HRNet and STIP takes them.

An annotated box is clipped to the pixels of its image and measured from the centre of its first
pixel to that of its last, so that it is a pixel narrower than its numbers say and its centre half a
pixel nearer to the origin; one that leaves the image at the left or the top keeps its width.
mmpose's `GetBBoxCenterScale` takes the whole box, clipped at all sides.
"""

from typing import Any

import numpy as np
from mmpose.datasets.transforms import GetBBoxCenterScale
from numpy.typing import NDArray

from mmktn.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ReleasedBoxCenterScale(GetBBoxCenterScale):
    """`mmpose.GetBBoxCenterScale` with the released code's rule for annotated boxes.

    Boxes of a detector, which come without an annotation, are taken as they are: the released code
    neither clips nor shortens them.

    Required keys: ``bbox`` ``(1, 4)``, ``img``; ``raw_ann_info`` where the box is an annotated one.
    Added keys: ``bbox_center`` and ``bbox_scale`` ``(1, 2)``, image pixels.

    Args:
        padding: Factor of the size.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Set centre and size; see the class."""
        if "raw_ann_info" not in results or "bbox_center" in results:
            return super().transform(results)
        height, width = results["img"].shape[:2]
        low, size = released_box(results["raw_ann_info"]["bbox"], (width, height))
        results["bbox_center"] = (low + size / 2).astype(np.float32)[None]
        results["bbox_scale"] = (size * self.padding).astype(np.float32)[None]
        return results


def released_box(
    box_xywh: Any, image_wh: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clip an annotated box to the pixels of its image.

    Args:
        box_xywh: Box of a COCO file, ``[x, y, w, h]``.
        image_wh: Width and height of the image.

    Returns:
        Upper left corner and size ``(2,)``. A box without area, which the released code drops, gets
        a size of one pixel.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    low = np.maximum(box[:2], 0)
    high = np.minimum(low + np.maximum(box[2:4] - 1, 0), np.asarray(image_wh) - 1)
    size = high - low
    return low, size if (size > 0).any() else np.ones(2)
