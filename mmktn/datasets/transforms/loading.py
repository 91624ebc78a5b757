"""Pipeline steps that read: the image, checked, and the dense-pose ground truth of its persons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms import LoadImageFromFile as _LoadImageFromFile
from torch import Tensor

from mmktn.formats.annotation_checks import (
    AnnotationError,
    Finding,
    Problem,
    box_problems,
    has_charts,
    has_densepose,
    has_vertices,
    keypoint_problems,
    point_problems,
)
from mmktn.formats.annotation_sets import DENSEPOSE_COCO, AnnotationFormat, find_format
from mmktn.formats.dense_labels import DenseLabelFolder
from mmktn.formats.masks import merge_dp_masks
from mmktn.formats.pictures import PictureError, known_hw, read_picture
from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.structures.box_grid import (
    annotation_grid_to_box_relative,
    image_to_box_relative,
    keypoint_index_to_image,
)

UNKNOWN_FILE = "<no annotation file>"


@TRANSFORMS.register_module()
class LoadImageFromFile(_LoadImageFromFile):
    """Read the image; missing, truncated and wrongly sized files are errors that name the file.

    mmdet's clients (DetInferencer, the image demo, analyze_results) look for a step of this name.

    Required keys: img_path; used where there: height, width, img_id, ann_file. Where a client gives
    the picture itself, `img`, that is taken.
    Added keys: img (H, W, 3) uint8 BGR, img_shape, ori_shape.

    Args:
        backend_args: Of mmengine.fileio.
        max_pixels: Larger pictures are errors; None: `mmktn.formats.pictures.MAX_PIXELS`.
    """

    def __init__(self, backend_args: dict | None = None, *, max_pixels: int | None = None) -> None:
        super().__init__(backend_args=backend_args)
        self.max_pixels = max_pixels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the image.

        Raises:
            FileNotFoundError: There is no such file.
            AnnotationError: The file cannot be used.
        """
        if results.get("img") is not None:
            results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
            return results
        path = results["img_path"]
        place = f"image id {results.get('img_id')} of {results.get('ann_file', UNKNOWN_FILE)}"
        try:
            image = read_picture(
                path,
                expected_hw=known_hw(results),
                max_pixels=self.max_pixels,
                backend_args=self.backend_args,
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(f"image not found: {path} ({place})") from error
        except PictureError as error:
            message = f"{path} {error}"
            file = results.get("ann_file", UNKNOWN_FILE)
            problem = Problem(file, None, results.get("img_id"), "file_name", message)
            raise AnnotationError([problem]) from error
        results["img"] = image
        results["img_shape"] = image.shape[:2]
        results["ori_shape"] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(backend_args={self.backend_args})"


LoadCheckedImage = LoadImageFromFile
"""The step's former name, in configs of users."""
TRANSFORMS.register_module(name="LoadCheckedImage", module=LoadCheckedImage)


@TRANSFORMS.register_module()
class LoadDensePoseAnnotations(BaseTransform):
    """Turn the raw fields of the persons into `DensePoseAnnotations`.

    Comes after `mmdet.LoadAnnotations` (boxes, labels, ignore flags), before anything geometric.

    Required keys: instances (bbox xyxy; ann_id, keypoints, dp_* where known); used where there:
    annotation_format, dense_labels (a folder of them, from the data set), checked (whether the data
    set has checked every number: then it is not done again each time the image is loaded).
    Added keys: gt_densepose, one entry an instance; gt_densepose_boxes (N, 4) float32, the boxes
    that its coordinates refer to, in pixels of the original image.

    Args:
        with_coarse_map: Decode dp_masks; otherwise `coarse_map` stays None.
        with_keypoints: Keep keypoints.
        num_keypoints: K.
        with_charts: Keep chart, U and V of the points; without them a flip needs no tables of U, V.
        with_vertices: Keep the vertices of the points (`dp_vertex`, `ref_model`), which continuous
            surface embeddings learn; a flip then needs the mirror table of the mesh.
    """

    def __init__(
        self,
        with_coarse_map: bool = True,
        with_keypoints: bool = True,
        *,
        num_keypoints: int = 17,
        with_charts: bool = True,
        with_vertices: bool = False,
    ) -> None:
        self.with_coarse_map = with_coarse_map
        self.with_keypoints = with_keypoints
        self.num_keypoints = num_keypoints
        self.with_charts = with_charts
        self.with_vertices = with_vertices

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Convert all persons.

        Raises:
            AnnotationError: A person's fields are malformed; names file, annotation id and field.
        """
        annotations = []
        file_format = find_format(results.get("annotation_format", DENSEPOSE_COCO.name))
        for instance in results["instances"]:
            found = self._convert(instance, file_format, checked=results.get("checked", False))
            if not isinstance(found, DensePoseAnnotation):
                file, image_id = results.get("ann_file", UNKNOWN_FILE), results.get("img_id")
                ann_id = instance.get("ann_id")
                raise AnnotationError([Problem(file, ann_id, image_id, *each) for each in found])
            annotations.append(found)
        labels = results.get("dense_labels")
        if labels is not None:
            _add_dense_labels(annotations, results["instances"], labels)
        results["gt_densepose"] = DensePoseAnnotations(annotations)
        boxes = [instance["bbox"] for instance in results["instances"]]
        results["gt_densepose_boxes"] = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        return results

    def _convert(
        self, instance: dict[str, Any], file_format: AnnotationFormat, *, checked: bool
    ) -> DensePoseAnnotation | list[Finding]:
        """Return one person, or what is wrong with it."""
        found = list(self._problems(instance, checked=checked))
        if found:
            return found
        keypoint_xy, keypoint_visible = None, None
        if self.with_keypoints and instance.get("keypoints") is not None:
            keypoints = torch.as_tensor(instance["keypoints"], dtype=torch.float64).view(-1, 3)
            box = torch.as_tensor(instance["bbox"], dtype=torch.float64)
            # In float64: what leaves the box frame again is the file's number to the last bit of
            # float32, so that a keypoint on the edge of a cell stays in its cell.
            keypoint_xy = image_to_box_relative(keypoint_index_to_image(keypoints[:, :2]), box)
            keypoint_visible = keypoints[:, 2].long()
        if not has_densepose(instance):
            return DensePoseAnnotation.without_densepose(keypoint_xy, keypoint_visible)
        known = self.with_charts and has_charts(instance)
        xy = annotation_grid_to_box_relative(_columns(instance, ("dp_x", "dp_y")))
        charts_uv = _columns(instance, ("dp_I", "dp_U", "dp_V") if known else ())
        vertices: dict[str, Any] = {}
        if self.with_vertices and has_vertices(instance):
            numbers = torch.as_tensor(instance["dp_vertex"], dtype=torch.float64).long()
            vertices = {"mesh": instance["ref_model"], "vertex_xy": xy, "vertices": numbers}
        coarse_map = None
        if self.with_coarse_map and instance.get("dp_masks") is not None:
            try:
                coarse_map = torch.from_numpy(merge_dp_masks(instance["dp_masks"], file_format))
            except ValueError as error:
                return [("dp_masks", str(error))]
        return DensePoseAnnotation(
            point_xy=xy if known else xy[:0],
            point_charts=charts_uv[:, 0].long(),
            point_uv=charts_uv[:, 1:].contiguous(),
            coarse_map=coarse_map,
            keypoint_xy=keypoint_xy,
            keypoint_visible=keypoint_visible,
            **vertices,
        )

    def _problems(self, instance: dict[str, Any], *, checked: bool) -> Iterable[Finding]:
        """Yield the problems in the numbers of a person that the conversion relies on."""
        if not checked:
            x0, y0, x1, y1 = instance["bbox"]
            yield from box_problems([x0, y0, x1 - x0, y1 - y0], (None, None))
        # Their number is this step's own business, whatever the file was checked for.
        keypoints = instance.get("keypoints") if self.with_keypoints else None
        if keypoints is not None and not (checked and len(keypoints) == 3 * self.num_keypoints):
            yield from keypoint_problems(keypoints, self.num_keypoints)
        if not checked:
            yield from point_problems(instance)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(with_coarse_map={self.with_coarse_map}, "
            f"with_keypoints={self.with_keypoints}, num_keypoints={self.num_keypoints}, "
            f"with_charts={self.with_charts}, with_vertices={self.with_vertices})"
        )


def _columns(instance: dict[str, Any], fields: Sequence[str]) -> Tensor:
    """Return (P, F) float32 of lists of numbers, (0, 3) of none."""
    if not fields:
        return torch.zeros(0, 3)
    columns = np.zeros((len(instance[fields[0]]), len(fields)), dtype=np.float32)
    for column, field in enumerate(fields):
        columns[:, column] = instance[field]
    return torch.from_numpy(columns)


def _add_dense_labels(
    annotations: list[DensePoseAnnotation],
    instances: Sequence[dict[str, Any]],
    labels: DenseLabelFolder,
) -> None:
    """Give persons the dense labels that a folder has of them, in place.

    A person without points counts as annotated then (labels of all persons); crowds
    have none.
    """
    for item, instance in zip(annotations, instances, strict=True):
        ann_id = instance.get("ann_id")
        if instance.get("ignore_flag", 0) or ann_id is None or ann_id not in labels:
            continue
        found = labels.read(ann_id, instance["bbox"])
        item.dense_labels = torch.from_numpy(found)
        item.valid = True
