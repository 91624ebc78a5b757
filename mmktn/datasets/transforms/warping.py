"""Scale, rotation and crop in one warp that moves image, person map and annotation together.

Augmentation of DP-FCN (Guler et al., CVPR 2018, section 4: scaling, cropping, rotation) with the
ranges of DP-FCN, and the crop of its single-person setting. A rotated person is referred to the
upright box around its turned one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image, move_image_points
from mmktn.structures.crop_grid import crop_matrix, index_matrix, upright_box

UNKNOWN = 255
MEAN_BGR = (103.53, 116.28, 123.675)


def warp_results(
    results: dict[str, Any],
    matrix: torch.Tensor,
    size_wh: tuple[int, int],
    *,
    pad_color: Sequence[float] = MEAN_BGR,
) -> None:
    """Move everything in a results dict, in place.

    Moves img, gt_seg_map, gt_bboxes, gt_densepose; sets img_shape and the boxes that the
    annotation refers to. What lies outside the old image gets `pad_color` and is unknown.

    Args:
        results: Of a pipeline of mmdet.
        matrix: (2, 3) float64, old pixel coordinates -> new ones.
        size_wh: Size of the new image.
        pad_color: In the channel order of the image.

    Raises:
        ValueError: Another geometric step came before.
    """
    if results.get("homography_matrix") is not None:
        raise ValueError("warps have to come before Resize, RandomFlip and other geometric steps")
    indices = index_matrix(matrix).numpy()
    results["img"] = cv2.warpAffine(
        results["img"], indices, size_wh, flags=cv2.INTER_LINEAR, borderValue=tuple(pad_color)
    )
    results["img_shape"] = results["img"].shape[:2]
    if "gt_seg_map" in results:
        results["gt_seg_map"] = cv2.warpAffine(
            results["gt_seg_map"], indices, size_wh,
            flags=cv2.INTER_NEAREST, borderValue=UNKNOWN,
        )  # fmt: skip
    if "gt_densepose" in results:
        old = torch.from_numpy(results["gt_densepose_boxes"])
        new = upright_box(old, matrix).float()
        results["gt_densepose"] = DensePoseAnnotations(
            item.warp(matrix, *boxes)
            for item, *boxes in zip(results["gt_densepose"], old, new, strict=True)
        )
        results["gt_densepose_boxes"] = new.numpy()
    if "gt_bboxes" in results:
        boxes = results["gt_bboxes"]
        as_tensor = boxes.tensor if isinstance(boxes, HorizontalBoxes) else torch.as_tensor(boxes)
        results["gt_bboxes"] = HorizontalBoxes(upright_box(as_tensor, matrix).float())


@TRANSFORMS.register_module()
class RandomWarpCrop(BaseTransform):
    """Random scale and rotation, then a random crop of fixed size that shows annotated points.

    Required keys: img; moved where there: gt_seg_map, gt_bboxes, gt_densepose.

    Args:
        crop_size: (w, h).
        scale_range: Factor on the image, uniform in its logarithm.
        rotation: Largest angle, degrees; uniform.
        tries: Crops drawn until one shows an annotated point; then the last one is taken.
        pad_color: What lies outside the image.
    """

    def __init__(
        self,
        crop_size: tuple[int, int] = (512, 512),
        scale_range: tuple[float, float] = (0.5, 2.0),
        *,
        rotation: float = 30.0,
        tries: int = 10,
        pad_color: Sequence[float] = MEAN_BGR,
    ) -> None:
        self.crop_size = (int(crop_size[0]), int(crop_size[1]))
        self.scale_range = tuple(scale_range)
        self.rotation = rotation
        self.tries = tries
        self.pad_color = tuple(pad_color)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw (from numpy's global generator, as mmcv does) and warp."""
        points = _annotated_points(results)
        for _ in range(self.tries):
            matrix = self._draw(results["img"].shape[:2])
            moved = move_image_points(points, matrix)
            limit = moved.new_tensor(self.crop_size)
            if ((moved >= 0) & (moved < limit)).all(dim=1).any():
                break
        warp_results(results, matrix, self.crop_size, pad_color=self.pad_color)
        return results

    def _draw(self, image_hw: tuple[int, int]) -> torch.Tensor:
        scale = np.exp(np.random.uniform(*np.log(self.scale_range)))  # noqa: NPY002
        angle = np.random.uniform(-self.rotation, self.rotation)  # noqa: NPY002
        covered = np.array(self.crop_size) / scale
        size = np.array(image_hw[::-1], dtype=np.float64)
        # A crop larger than the image is centred, a smaller one stays inside.
        low = np.minimum(covered / 2, size / 2)
        center = np.random.uniform(low, size - low)  # noqa: NPY002
        return crop_matrix(center, covered, size_wh=self.crop_size, rotation=angle)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(crop_size={self.crop_size}, scale_range={self.scale_range}, "
            f"rotation={self.rotation}, tries={self.tries})"
        )


@TRANSFORMS.register_module()
class WarpToPerson(BaseTransform):
    """Crop the person out of the image: its box enlarged, the longer side brought to one length.

    Required keys: img; `bbox` (1, 4), the person's box, else the whole image is taken. Moved where
    there: gt_seg_map, gt_bboxes, gt_densepose. Added keys without rotation: crop_window (4,),
    person_box (4,), both in pixels of the image, and person_score, for results in the image.

    Args:
        longer_side: Pixels of the longer side; the other one follows from the box.
        expand: Factor on the box: 1.2 for the single-person system, 1.1 for the teacher.
        scale_jitter: The factor varies uniformly by this share.
        rotation: Largest angle, degrees; uniform.
        shift: Largest shift of the centre, as a share of the box.
        pad_color: What lies outside the image.
    """

    def __init__(
        self,
        longer_side: int = 320,
        expand: float = 1.2,
        *,
        scale_jitter: float = 0.0,
        rotation: float = 0.0,
        shift: float = 0.0,
        pad_color: Sequence[float] = MEAN_BGR,
    ) -> None:
        self.longer_side = longer_side
        self.expand = expand
        self.scale_jitter = scale_jitter
        self.rotation = rotation
        self.shift = shift
        self.pad_color = tuple(pad_color)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Warp (random numbers from numpy's global generator, as mmcv's).

        Raises:
            ValueError: The item has several persons.
        """
        height, width = results["img"].shape[:2]
        boxes = np.asarray(results.get("bbox", [[0, 0, width, height]]), dtype=np.float64)
        if len(boxes) != 1:
            raise ValueError(f"WarpToPerson: {len(boxes)} persons in one item; it crops one")
        box = boxes[0]
        extent = np.maximum(box[2:] - box[:2], 1.0)
        center = (box[:2] + box[2:]) / 2
        center = center + extent * np.random.uniform(-self.shift, self.shift, 2)  # noqa: NPY002
        jitter = 1 + np.random.uniform(-self.scale_jitter, self.scale_jitter)  # noqa: NPY002
        angle = np.random.uniform(-self.rotation, self.rotation)  # noqa: NPY002
        covered = extent * self.expand * jitter
        scale = self.longer_side / covered.max()
        size_wh = tuple(max(round(side), 8) for side in (covered * scale).tolist())
        covered = np.array(size_wh) / scale
        matrix = crop_matrix(center, covered, size_wh=size_wh, rotation=angle)
        warp_results(results, matrix, size_wh, pad_color=self.pad_color)
        if not angle:
            window = np.concatenate((center - covered / 2, center + covered / 2))
            results["crop_window"] = window.tolist()
            results["person_box"] = box.tolist()
            results["person_score"] = float(np.ravel(results.get("bbox_score", 1.0))[0])
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(longer_side={self.longer_side}, expand={self.expand}, "
            f"scale_jitter={self.scale_jitter}, rotation={self.rotation}, shift={self.shift})"
        )


def _annotated_points(results: dict[str, Any]) -> torch.Tensor:
    """Return the annotated points (P, 2) float64 of all persons, image pixels."""
    parts = [torch.zeros(0, 2, dtype=torch.float64)]
    if "gt_densepose" in results:
        boxes = torch.from_numpy(results["gt_densepose_boxes"]).double()
        for item, box in zip(results["gt_densepose"], boxes, strict=True):
            parts.append(box_relative_to_image(item.point_xy.double(), box))
    return torch.cat(parts)


@TRANSFORMS.register_module()
class DensePoseRandomRotation(BaseTransform):
    """Rotate image, boxes, masks and dense pose about the image's centre; its size stays.

    Comes before Resize and flips. A rotated person gets the upright box around its turned one, cut
    at the image; persons that leave it are dropped. detectron2's `ROTATION_ANGLES` for DensePose.

    Required keys: img; moved where there: gt_seg_map, gt_bboxes, gt_masks, gt_densepose; cut where
    there: gt_bboxes_labels, gt_ignore_flags.

    Args:
        angles: Degrees, counterclockwise, one of which is drawn; or the ends of a range.
        choice: One of `angles`; off draws evenly from the range.
        min_side: Boxes with a shorter side are dropped, pixels.
        pad_color: What lies outside the image.

    Raises:
        ValueError: No angle, or a range without two ends.
    """

    def __init__(
        self,
        angles: Sequence[float] = (0.0,),
        *,
        choice: bool = True,
        min_side: float = 1.0,
        pad_color: Sequence[float] = MEAN_BGR,
    ) -> None:
        if not angles or (not choice and len(angles) != 2):
            raise ValueError(f"angles={angles!r}: give some, or with choice=False two ends")
        self.angles = tuple(float(angle) for angle in angles)
        self.choice = choice
        self.min_side = min_side
        self.pad_color = tuple(pad_color)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Rotate (random numbers from numpy's global generator, as mmcv's)."""
        if self.choice:
            angle = self.angles[np.random.randint(len(self.angles))]  # noqa: NPY002
        else:
            angle = np.random.uniform(self.angles[0], self.angles[1])  # noqa: NPY002
        if angle == 0:
            return results
        height, width = results["img"].shape[:2]
        middle, size = (width / 2, height / 2), (float(width), float(height))
        matrix = crop_matrix(middle, size, size_wh=(width, height), rotation=angle)
        warp_results(results, matrix, (width, height), pad_color=self.pad_color)
        if "gt_masks" in results:
            indices = index_matrix(matrix).numpy()
            masks = results["gt_masks"].masks
            moved = [
                cv2.warpAffine(mask, indices, (width, height), flags=cv2.INTER_NEAREST)
                for mask in masks
            ]
            stacked = np.stack(moved) if moved else masks.reshape(0, height, width)
            results["gt_masks"] = BitmapMasks(stacked, height, width)
        if "gt_bboxes" in results:
            self._cut(results, (height, width))
        return results

    def _cut(self, results: dict[str, Any], image_hw: tuple[int, int]) -> None:
        """Cut boxes at the image; drop what is left without size."""
        boxes = results["gt_bboxes"]
        boxes.clip_(image_hw)
        kept = ((boxes.widths >= self.min_side) & (boxes.heights >= self.min_side)).numpy()
        results["gt_bboxes"] = boxes[kept]
        for name in ("gt_bboxes_labels", "gt_ignore_flags", "gt_densepose_boxes", "gt_masks"):
            if name in results:
                results[name] = results[name][kept]
        if "gt_densepose" in results:
            results["gt_densepose"] = results["gt_densepose"][kept]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(angles={self.angles}, choice={self.choice}, "
            f"min_side={self.min_side})"
        )


@TRANSFORMS.register_module()
class TurnView(BaseTransform):
    """Turn a view of test-time augmentation about its centre; the picture grows, nothing is lost.

    Comes after Resize and flips, so that people keep their size, and before packing. It moves no
    labels. detectron2's `TEST.AUG.ROTATION_ANGLES` for DensePose.

    Required keys: img. Added key: view_matrix (2, 3) float64, pixels of the view before the turn ->
    those after it, which `PackDensePoseInputs` hands on to `DensePoseTTA`; none for angle 0.

    Args:
        angle: Degrees, counterclockwise.
        pad_color: What lies outside the picture.
    """

    def __init__(self, angle: float = 0.0, *, pad_color: Sequence[float] = MEAN_BGR) -> None:
        self.angle = float(angle)
        self.pad_color = tuple(pad_color)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn.

        Raises:
            ValueError: There are labels, or the view is turned already.
        """
        if "gt_bboxes" in results or "view_matrix" in results:
            raise ValueError(
                "TurnView is a step of test-time augmentation, once, on pictures without labels; "
                "DensePoseRandomRotation turns these"
            )
        if self.angle == 0:
            return results
        height, width = results["img"].shape[:2]
        cos, sin = (abs(f(math.radians(self.angle))) for f in (math.cos, math.sin))
        # A quarter turn has no rest to be rounded up.
        size = (
            math.ceil(width * cos + height * sin - 1e-6),
            math.ceil(width * sin + height * cos - 1e-6),
        )
        matrix = crop_matrix((width / 2, height / 2), size, size_wh=size, rotation=self.angle)
        results["img"] = cv2.warpAffine(
            results["img"],
            index_matrix(matrix).numpy(),
            size,
            flags=cv2.INTER_LINEAR,
            borderValue=self.pad_color,
        )
        results["img_shape"] = results["img"].shape[:2]
        results["view_matrix"] = matrix.numpy()
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(angle={self.angle})"
