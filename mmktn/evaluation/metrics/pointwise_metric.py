"""AUC10, AUC30 and IoU of the pointwise evaluation as a metric of mmengine.

Source: DensePose paper section 2.3; the numbers are those of ``functional.densepose.pointwise``.
Per image only the errors of its points are kept.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmktn.evaluation.functional.ap.protocol import densepose_protocol
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import check_detections
from mmktn.evaluation.functional.densepose.point_errors import PointDistances, part_errors
from mmktn.evaluation.functional.densepose.pointwise import (
    PointwiseScores,
    dense_distances,
    score_image,
)
from mmktn.evaluation.functional.masks.foreground import paint
from mmktn.evaluation.metrics.sample_inputs import (
    LazySurface,
    dense_detections,
    existing_file,
    label_to_category,
)
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.dense_truth import UV_STEPS, read_dense_truth
from mmktn.formats.json_files import read_json
from mmktn.registry import METRICS
from mmktn.utils.output_files import write_json

_STRIDE = 2  # between the rows and columns of dense maps that are scored


@METRICS.register_module()
class PointwiseDensePoseMetric(BaseMetric):
    """Area under the ratio of correct points.

    Keys are ``pointwise/AUC10``, ``AUC30``, ``missed`` (share of points that show background),
    ``IoU`` (all pixels of the set) and ``IoU_image_mean``; fractions, -1 where undefined.

    Args:
        ann_file: DensePose-COCO JSON of the evaluated split.
        surface: As in ``DensePoseMetric``.
        protocol: Where an annotated point lies: ``"clean"`` (grid of 256) or ``"official"``.
        min_score: Detections below are not painted.
        dense_dir: Folder with one .npz of dense maps (``chart``, ``u``, ``v``) per image, as the
            synthetic data has; the pixels of persons in every other row and column count then, not
            only annotated points.
        min_visible_keypoints: Read the points of persons with at least so many visible COCO
            keypoints only; 16 gives the full-body images of the paper's Fig. 9.
        with_iou: Also report the overlap of painted persons with the segmentations.
        outfile_prefix: Path without ending for ``<prefix>.pointwise.json`` (errors by part).
        collect_device: Where results are gathered.
        prefix: First part of the keys.

    Raises:
        FileNotFoundError: A file or folder does not exist.
        ValueError: A name is unknown.
    """

    default_prefix = "pointwise"

    def __init__(
        self,
        ann_file: str | Path,
        surface: Any = "human",
        *,
        protocol: str = "clean",
        min_score: float = 0.0,
        dense_dir: str | Path | None = None,
        min_visible_keypoints: int = 0,
        with_iou: bool = True,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ann_file = existing_file(ann_file)
        self.surface = LazySurface(surface)
        self.protocol = densepose_protocol(protocol)
        self.min_score = min_score
        self.dense_dir = None if dense_dir is None else Path(dense_dir)
        if self.dense_dir is not None and not self.dense_dir.is_dir():
            raise FileNotFoundError(f"dense_dir: no folder {self.dense_dir}")
        self.min_visible_keypoints = min_visible_keypoints
        self.with_iou = with_iou
        self.outfile_prefix = outfile_prefix
        self._file_names: dict[int, str] = {}

    @cached_property
    def truth(self) -> DensePoseTruth:
        """Ground truth, read at first use."""
        data = read_json(self.ann_file, "ann_file")
        data = dict(data, annotations=[self._reduced(a) for a in data["annotations"]])
        self._file_names = {i["id"]: i.get("file_name", "") for i in data["images"]}
        return DensePoseTruth.from_coco(data, name=str(self.ann_file))

    def _reduced(self, annotation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the annotation, without its points if too few of its keypoints are visible."""
        visible = sum(v > 0 for v in annotation.get("keypoints", ())[2::3])
        if visible >= self.min_visible_keypoints:
            return annotation
        return {name: value for name, value in annotation.items() if not name.startswith("dp_")}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Measure the predictions of a batch.

        Args:
            data_batch: Not used.
            data_samples: As in ``DensePoseMetric``.

        Raises:
            ValueError: A prediction cannot be evaluated; the image is named.
        """
        categories = label_to_category(self.truth.categories, self.dataset_meta)
        for sample in data_samples:
            detections = dense_detections(sample, categories)
            check_detections(detections, self.truth)
            self.results.append(self._record(int(sample["img_id"]), detections))

    def _record(self, image_id: int, detections: DenseDetections) -> dict[str, Any]:
        """Return the errors of the points of one image."""
        kept = np.flatnonzero(detections.scores >= self.min_score)
        errors, count = score_image(
            self.truth,
            image_id,
            self.surface.get(),
            boxes_xywh=detections.boxes_xywh[kept],
            scores=detections.scores[kept],
            maps=[detections.iuv(k) for k in kept.tolist()],
            protocol=self.protocol,
            with_iou=self.with_iou,
        )
        if self.dense_dir is not None:
            errors = self._dense(image_id, detections, kept)
        return {"img_id": image_id, "errors": errors, "foreground": count}

    def _dense(
        self, image_id: int, detections: DenseDetections, kept: np.ndarray
    ) -> PointDistances:
        assert self.dense_dir is not None
        file = self.dense_dir / Path(self._file_names[image_id]).with_suffix(".npz").name
        what = f"dense_dir, image {image_id}"
        image = self.truth.images[image_id]
        maps = read_dense_truth(file, (image.height, image.width), what=what)
        charts, uv = maps["chart"], np.stack([maps["u"], maps["v"]])
        if uv.dtype == np.uint16:
            uv = uv / UV_STEPS
        painted = paint(
            detections.boxes_xywh[kept],
            detections.scores[kept],
            [detections.iuv(k) for k in kept.tolist()],
            self.truth.images[image_id],
        )
        return dense_distances(
            painted,
            charts,
            uv,
            surface=self.surface.get(),
            image_id=image_id,
            stride=_STRIDE,
        )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Join the errors of all ranks.

        Args:
            results: Records of ``process``, one per image. All points of an annotated image
                without a record are missed, as in ``DensePoseMetric``.

        Returns:
            AUC10, AUC30, missed, IoU, IoU_image_mean.
        """
        logger = MMLogger.get_current_instance()
        unique = {record["img_id"]: record for record in reversed(results)}
        unseen = {key[0] for key in self.truth.persons} - unique.keys()
        unique |= {image_id: self._record(image_id, _nothing()) for image_id in unseen}
        ordered = [unique[key] for key in sorted(unique)]
        scores = PointwiseScores(
            PointDistances.merge([record["errors"] for record in ordered]),
            {r["img_id"]: r["foreground"] for r in ordered if r["foreground"] is not None},
            list(self.truth.notes),
        )
        if unseen:
            scores.notes.append(
                f"{len(unseen)} annotated images were not processed: nothing is found on them"
            )
        for note in scores.notes:
            logger.info("note: %s", note)
        if self.outfile_prefix is not None:
            path = Path(f"{self.outfile_prefix}.pointwise.json")
            table = {"scores": scores.values(), "parts": part_errors(scores.points)}
            write_json(path, table, indent=1)
            logger.info("Wrote errors by part to %s", path)
        return scores.values()


def _nothing() -> DenseDetections:
    """Return no detection at all."""
    return DenseDetections.from_maps(
        np.zeros(0, np.int64), np.zeros((0, 4)), scores=np.zeros(0), maps=[], category_ids=[]
    )
