"""GPS, GPSm and mask IoU of results that name vertices, as a metric of mmengine."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmktn.evaluation.functional.ap.protocol import densepose_protocol
from mmktn.evaluation.functional.densepose.gps import PER_PART, similarity_names
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS as METRIC_NAMES
from mmktn.evaluation.functional.densepose.pair_scorer import (
    PairScorer,
    check_detections,
    check_names,
)
from mmktn.evaluation.functional.densepose.scores import summarize_pairs
from mmktn.evaluation.functional.densepose.vertices import PEOPLE, vertex_scorer
from mmktn.evaluation.metrics.sample_inputs import existing_file, vertex_detections
from mmktn.evaluation.text_table import score_table
from mmktn.registry import METRICS
from mmktn.surface.reference_mesh import ReferenceMesh, open_mesh


@METRICS.register_module()
class VertexMetric(BaseMetric):
    """AP and AR of continuous surface embeddings.

    Keys are ``vertices/gps/AP``, ``vertices/gpsm/AP50``, ...; values are fractions, -1 where
    undefined.

    Args:
        ann_file: Annotations with `dp_vertex` and `ref_model` of the evaluated split.
        mesh_folder: Folder with `geodists/geodists_<mesh>.pkl` (docs/cse.md); not needed for the
            bodies of this package.
        metric: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        protocol: ``"official"`` or ``"clean"`` (docs/evaluation.md).
        min_threshold: Lowest similarity threshold.
        categories: Name of a category of the file -> class of the model; None: persons.
        people: Meshes on which the annotated part has a normaliser of its own.
        collect_device: Where results are gathered, ``"cpu"`` or ``"gpu"``.
        prefix: First part of the keys.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: A name is unknown.
    """

    default_prefix = "vertices"

    def __init__(
        self,
        ann_file: str | Path,
        mesh_folder: str | Path | None = None,
        *,
        metric: str | Sequence[str] = METRIC_NAMES,
        protocol: str = "official",
        min_threshold: float = 0.5,
        categories: Mapping[str, str] | None = None,
        people: Sequence[str] = (PEOPLE,),
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ann_file = existing_file(ann_file)
        self.mesh_folder = mesh_folder
        self.metric_names = (metric,) if isinstance(metric, str) else tuple(metric)
        check_names(self.metric_names, METRIC_NAMES, "metric")
        densepose_protocol(protocol)
        self.protocol = protocol
        self.min_threshold = min_threshold
        self.class_of = dict(categories or {"person": "person"})
        self.people = tuple(people)

    @cached_property
    def truth(self) -> DensePoseTruth:
        """Ground truth with the classes of the model as categories, read at first use."""
        read = DensePoseTruth.from_file(self.ann_file, categories=self.class_of)
        return read.with_classes(self.class_of)

    @cached_property
    def meshes(self) -> dict[str, ReferenceMesh]:
        """Meshes of the annotations by name."""
        names = {person.mesh for person in self.truth.all_persons() if person.mesh is not None}
        return {name: open_mesh(name, self.mesh_folder) for name in sorted(names)}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Score the predictions of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries with ``img_id`` and ``pred_instances``: bboxes (N, 4) xyxy in
                original pixels, scores, labels and vertices (N results).

        Raises:
            ValueError: A prediction cannot be evaluated; the image is named.
        """
        for sample in data_samples:
            detections, load = vertex_detections(sample, sorted(self.truth.categories))
            if sample["img_id"] not in self.truth.images:
                raise ValueError(f"image {sample['img_id']} is not in {self.ann_file}")
            check_detections(detections, self.truth)
            scorer = self._scorer(load)
            for category in self.truth.categories:
                index = np.flatnonzero(detections.category_ids == category)
                scorer.add(int(sample["img_id"]), category, detections, index)
            self.results.append({"img_id": sample["img_id"], "pairs": scorer.finish()})

    def _scorer(self, load: Any) -> PairScorer:
        return vertex_scorer(
            self.truth,
            self.meshes,
            load,
            metrics=self.metric_names,
            protocol=self.protocol,
            people=self.people,
        )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Match and accumulate what all ranks gathered.

        Returns:
            Column name to fraction, -1 where undefined.
        """
        logger = MMLogger.get_current_instance()
        unique = list({record["img_id"]: record for record in reversed(results)}.values())[::-1]
        pairs = [p for record in unique for p in record["pairs"]]
        seen = {record["img_id"] for record in unique}
        scorer = self._scorer(None)
        for image_id, category in self.truth.persons:
            if image_id not in seen:
                scorer.add_missed(image_id, category)
        scores = summarize_pairs(
            [*pairs, *scorer.finish()],
            similarity_names(self.metric_names, (PER_PART,)),
            categories=self.truth.categories,
            protocol=self.protocol,
            min_threshold=self.min_threshold,
            notes=self.truth.notes,
        )
        logger.info("\n%s", score_table(scores))
        return scores.values()
