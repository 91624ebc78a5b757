"""What the metrics read of a predicted data sample.

Boxes are expected in pixels of the original image; a map covers the integer box
(docs/conventions.md, frame 5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections
from mmktn.formats.annotation_names import local_annotation_file, names_in_circulation
from mmktn.formats.dense_detections import DenseDetections
from mmktn.surface import load_surface

_ROUNDING = 1e-3


def to_numpy(values: Any, dtype: type) -> NDArray[Any]:
    """Return the array of a tensor, array or list.

    Args:
        values: What a data sample holds.
        dtype: Wanted type.

    Returns:
        The array.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=dtype)


def existing_file(path: str | Path) -> Path:
    """Check early that an annotation file is there, under any of its names in circulation.

    Args:
        path: Argument ``ann_file`` of a metric.

    Returns:
        The path of the existing file.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = local_annotation_file(path)
    if file is None:
        names = " or ".join(names_in_circulation(str(path)))
        raise FileNotFoundError(
            f"ann_file: no file {names}; name the annotations (JSON) of the evaluated split"
        )
    return file


@dataclass
class LazySurface:
    """A body surface that is opened at first use, since its distances may have to be computed.

    Attributes:
        source: Surface, ``"human"``, an .npz file or a folder with the official files.
    """

    source: Any

    def __post_init__(self) -> None:
        """Check early that a named file or folder is there.

        Raises:
            FileNotFoundError: It is not.
        """
        is_name = isinstance(self.source, str | Path)
        if is_name and str(self.source) != "human" and not Path(self.source).exists():
            raise FileNotFoundError(
                f"surface: {self.source} does not exist; give 'human', an .npz file, or the "
                "folder with the official files (docs/surface.md)"
            )

    def get(self) -> SurfaceLike:
        """Open it."""
        if isinstance(self.source, str | Path):
            self.source = load_surface(self.source)
        return self.source


def label_to_category(
    categories: Mapping[int, str], dataset_meta: Mapping[str, Any] | None
) -> list[int]:
    """Return the category id of each label of the model.

    Args:
        categories: Category id to name, from the annotation file.
        dataset_meta: Meta of the dataset; its ``classes`` give the order of the labels.

    Returns:
        Category ids by label; by rising id where the names do not help.
    """
    by_name = {name: key for key, name in categories.items()}
    classes = (dataset_meta or {}).get("classes") or ()
    if classes and all(name in by_name for name in classes):
        return [by_name[name] for name in classes]
    return sorted(categories)


def dense_detections(sample: Mapping[str, Any], categories: Sequence[int]) -> DenseDetections:
    """Read the dense-pose predictions of one image.

    Args:
        sample: ``img_id`` and ``pred_instances`` with bboxes (N, 4) xyxy in original pixels,
            scores (N,), labels (N,) and densepose (N results).
        categories: Category id of each label.

    Returns:
        The detections.

    Raises:
        ValueError: A field is missing or does not fit; the image is named.
    """
    where = f"prediction of image {sample['img_id']}"
    maps, columns = _instances(sample, "densepose", categories, where)
    arrays = [result.iuv_uint8() for result in maps]
    return DenseDetections.from_maps(
        np.full(len(maps), sample["img_id"]),
        _settled(columns.boxes_xywh, [iuv.shape[1:] for iuv in arrays]),
        scores=columns.scores,
        maps=arrays,
        category_ids=columns.category_ids,
        name=where,
    )


def vertex_detections(
    sample: Mapping[str, Any], categories: Sequence[int]
) -> tuple[DenseDetections, Callable[[int, str], NDArray[np.int64]]]:
    """Read the vertices predicted for one image.

    Args:
        sample: ``img_id`` and ``pred_instances`` with bboxes (N, 4) xyxy in original pixels,
            scores (N,), labels (N,) and vertices (N results).
        categories: Category id of each label.

    Returns:
        The detections, whose maps say where the body is, and a function that gives the vertices
        (h, w) of a detection on a mesh, -1 outside of the body.

    Raises:
        ValueError: A field is missing or does not fit; the image is named.
    """
    where = f"prediction of image {sample['img_id']}"
    results, columns = _instances(sample, "vertices", categories, where)
    masks = [to_numpy(result.mask, np.uint8) for result in results]

    def load(index: int, mesh: str) -> NDArray[np.int64]:
        found = results[index].vertices
        if mesh not in found:
            raise ValueError(
                f"{where}: an annotation is on mesh {mesh!r}, the result has {list(found)}; set "
                "all_meshes=True in VertexDecoder"
            )
        return np.where(masks[index] > 0, to_numpy(found[mesh], np.int64), -1)

    detections = DenseDetections.from_maps(
        np.full(len(masks), sample["img_id"]),
        _settled(columns.boxes_xywh, [mask.shape for mask in masks]),
        scores=columns.scores,
        maps=[np.repeat(mask[None], 3, axis=0) for mask in masks],
        category_ids=columns.category_ids,
        name=where,
    )
    return detections, load


def segmentation_detections(
    sample: Mapping[str, Any], field: str, categories: Sequence[int]
) -> SegmentationDetections:
    """Read the label maps predicted for one image.

    Args:
        sample: ``img_id`` and ``pred_instances`` with bboxes (N, 4) xyxy in original pixels,
            scores (N,), labels (N,) and `field` (N results with ``labels`` (h, w)).
        field: Field that holds the maps.
        categories: Category id of each label.

    Returns:
        The detections.

    Raises:
        ValueError: A field is missing or does not fit; the image is named.
    """
    where = f"prediction of image {sample['img_id']}"
    maps, columns = _instances(sample, field, categories, where)
    arrays = [to_numpy(result.labels, np.uint8) for result in maps]
    return SegmentationDetections(
        image_id=int(sample["img_id"]),
        boxes_xywh=_settled(columns.boxes_xywh, [labels.shape for labels in arrays]),
        scores=columns.scores,
        maps=arrays,
        category_ids=columns.category_ids,
        name=where,
    )


@dataclass
class _Columns:
    """Boxes, scores and categories of N detections."""

    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    category_ids: NDArray[np.int64]


def _instances(
    sample: Mapping[str, Any], field: str, categories: Sequence[int], where: str
) -> tuple[Sequence[Any], _Columns]:
    """Return the results of one field and the columns beside them, checked."""
    fields = instance_fields(sample["pred_instances"], ("bboxes", "scores", field), where)
    boxes = to_numpy(fields["bboxes"], np.float64).reshape(-1, 4)
    scores = to_numpy(fields["scores"], np.float64).reshape(-1)
    labels = to_numpy(fields.get("labels", np.zeros(len(scores))), np.int64).reshape(-1)
    if len(labels) and (labels.min() < 0 or labels.max() >= len(categories)):
        raise ValueError(f"{where}: label {labels.max()} but {len(categories)} categories")
    found = fields[field]
    if not len(boxes) == len(scores) == len(found):
        what = "dense-pose results" if field == "densepose" else field
        raise ValueError(f"{where}: {len(boxes)} boxes, {len(scores)} scores, {len(found)} {what}")
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return found, _Columns(xywh, scores, np.array(categories, dtype=np.int64)[labels])


def _settled(
    boxes_xywh: NDArray[np.float64], map_shapes: Sequence[tuple[int, ...]]
) -> NDArray[np.float64]:
    """Return the boxes whose size is that of their maps, where only rounding is between them."""
    for box, shape in zip(boxes_xywh, map_shapes, strict=True):
        _settle_size(box, shape)
    return boxes_xywh


def _settle_size(box_xywh: NDArray[np.float64], map_hw: tuple[int, ...]) -> None:
    """Undo rounding in place: decoding subtracts corners in float32, here it is float64."""
    for side, cells in ((3, map_hw[0]), (2, map_hw[1])):
        extent = box_xywh[side]
        if max(int(extent), 1) != cells and abs(extent - cells) < _ROUNDING:
            box_xywh[side] = cells


def instance_fields(instances: Any, needed: Sequence[str], where: str) -> dict[str, Any]:
    """Return the fields of predicted instances.

    Args:
        instances: `InstanceData`, or a mapping.
        needed: Names that have to be there.
        where: Start of the message.

    Returns:
        All fields by name.

    Raises:
        ValueError: One is missing.
    """
    found = dict(instances) if isinstance(instances, Mapping) else dict(instances.items())
    missing = [name for name in needed if name not in found]
    if missing:
        raise ValueError(f"{where}: pred_instances has no field {missing[0]!r}")
    return found
