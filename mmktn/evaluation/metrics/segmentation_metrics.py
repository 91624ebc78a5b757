"""Body segmentation and part segmentation as metrics of mmengine.

The numbers are those of ``evaluation.functional.segmentation.body`` and ``part_segmentation``. What
is kept and gathered per image are small matrices, not maps.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmktn.evaluation.functional.ap.average_precision import Column
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.segmentation.body import body_mask_pairs, summarize_body_masks
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections
from mmktn.evaluation.functional.segmentation.parts import count_parts, summarize_parts
from mmktn.evaluation.metrics.sample_inputs import (
    existing_file,
    label_to_category,
    segmentation_detections,
)
from mmktn.evaluation.text_table import grid, reasons
from mmktn.registry import METRICS


class SegmentationMetric(BaseMetric):
    """What both metrics share: reading samples, joining ranks, images that were not seen.

    Args:
        ann_file: DensePose-COCO JSON of the evaluated split.
        field: Field of ``pred_instances`` with N results that have ``labels``.
        collect_device: Where results are gathered, ``"cpu"`` or ``"gpu"``.
        prefix: First part of the keys.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
    """

    def __init__(
        self,
        ann_file: str | Path,
        field: str,
        *,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ann_file = existing_file(ann_file)
        self.field = field

    @cached_property
    def truth(self) -> DensePoseTruth:
        """Ground truth, read at first use."""
        return DensePoseTruth.from_file(self.ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Compare the predictions of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries with ``img_id`` and ``pred_instances`` (see
                ``sample_inputs.segmentation_detections``).

        Raises:
            ValueError: A prediction cannot be evaluated; the image is named.
        """
        categories = label_to_category(self.truth.categories, self.dataset_meta)
        for sample in data_samples:
            detections = segmentation_detections(sample, self.field, categories)
            self.results.append({"img_id": detections.image_id, "found": self.compare(detections)})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Join what all ranks gathered.

        Args:
            results: Records of ``process``, one per image.

        Returns:
            Column name to fraction, -1 where undefined.
        """
        logger = MMLogger.get_current_instance()
        unique = {record["img_id"]: record["found"] for record in reversed(results)}
        unseen = sorted({image_id for image_id, _ in self.truth.persons} - unique.keys())
        if unseen:
            logger.info("note: %d annotated images were not processed: missed", len(unseen))
        nothing = [segmentation_detections(_empty(k, self.field), self.field, ()) for k in unseen]
        found = [unique[key] for key in sorted(unique)] + [self.compare(none) for none in nothing]
        columns = self.summarize(found)
        table = grid(list(columns), {self.field: columns})
        logger.info("percent\n%s", "\n".join([table, *reasons(columns)]))
        return {name: column.value for name, column in columns.items()}

    def compare(self, detections: SegmentationDetections) -> Any:
        """Compare one image with its ground truth."""
        raise NotImplementedError

    def summarize(self, found: Sequence[Any]) -> dict[str, Column]:
        """Turn what `compare` gave for all images into columns."""
        raise NotImplementedError


@METRICS.register_module()
class BodyMaskMetric(SegmentationMetric):
    """COCO mask AP of the body inside each detected box.

    Keys are ``body_mask/AP``, ``AP50``, ``AP75``, ``APm``, ``APl``, ``AR``, ... With
    ``field="densepose"`` every pixel with a chart is the body: detectron2's segm AP of dense pose.

    Args:
        ann_file: DensePose-COCO JSON of the evaluated split.
        field: As in ``SegmentationMetric``.
        **kwargs: As in ``SegmentationMetric``.
    """

    default_prefix = "body_mask"

    def __init__(
        self, ann_file: str | Path, field: str = "body_segmentation", **kwargs: Any
    ) -> None:
        super().__init__(ann_file, field, **kwargs)

    def compare(self, detections: SegmentationDetections) -> Any:
        """Mask overlaps of one image."""
        return body_mask_pairs(self.truth, detections)

    def summarize(self, found: Sequence[Any]) -> dict[str, Column]:
        """Return the AP and AR."""
        return summarize_body_masks([p for pairs in found for p in pairs], self.truth.categories)


@METRICS.register_module()
class PartSegmentationMetric(SegmentationMetric):
    """mIoU of 15 classes inside matched persons, AP^p and AP of part masks.

    Keys are ``parts/mIoU``, ``IoU-<class>``, ``pixel_accuracy``, ``matched`` (share of annotated
    persons that the mIoU speaks of), ``APp50``, ``APp_vol`` and ``AP``, ``AP50``, ``AP-<part>`` of
    binary part masks.

    Args:
        ann_file: DensePose-COCO JSON of the evaluated split.
        field: As in ``SegmentationMetric``.
        **kwargs: As in ``SegmentationMetric``.
    """

    default_prefix = "parts"

    def __init__(
        self, ann_file: str | Path, field: str = "part_segmentation", **kwargs: Any
    ) -> None:
        super().__init__(ann_file, field, **kwargs)

    def compare(self, detections: SegmentationDetections) -> Any:
        """Pairs and pixel counts of one image."""
        return count_parts(self.truth, detections)

    def summarize(self, found: Sequence[Any]) -> dict[str, Column]:
        """Return all columns."""
        return summarize_parts(found)


def _empty(image_id: int, field: str) -> dict[str, Any]:
    """Sample of an image in which nothing was found."""
    return {"img_id": image_id, "pred_instances": {"bboxes": [], "scores": [], field: []}}
