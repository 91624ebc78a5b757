"""GPS, GPSm and mask IoU AP/AR as a metric of mmengine.

Source: DensePose-COCO protocol; the numbers are those of ``functional.densepose.scores``.
Similarities are computed per image in ``process`` on every rank, so what is kept and gathered are
small matrices, not maps.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmktn.evaluation.functional.ap.matching import ImagePairs
from mmktn.evaluation.functional.ap.protocol import densepose_protocol
from mmktn.evaluation.functional.densepose.gps import NORMALISERS, PER_PART, similarity_names
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS as METRIC_NAMES
from mmktn.evaluation.functional.densepose.pair_scorer import (
    PairScorer,
    chart_scorer,
    check_detections,
    check_names,
)
from mmktn.evaluation.functional.densepose.scores import summarize_pairs
from mmktn.evaluation.metrics.sample_inputs import (
    LazySurface,
    dense_detections,
    existing_file,
    label_to_category,
)
from mmktn.evaluation.text_table import score_table
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.result_files import official_entry
from mmktn.registry import METRICS
from mmktn.utils.output_files import write_json


@METRICS.register_module()
class DensePoseMetric(BaseMetric):
    """AP and AR of dense pose.

    Keys are ``densepose/gps/AP``, ``densepose/gpsm/AP50``, ... for the official normaliser and
    ``densepose/gps_kappa0.255/AP``, ... for the paper's. Values are fractions; -1 means
    undefined, and the log says why.

    Args:
        ann_file: DensePose-COCO JSON of the evaluated split.
        surface: ``"human"``, an .npz file, a folder with the official files, or a surface.
        metric: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normaliser: ``"per_part"``, ``"global"`` or both.
        protocol: ``"official"`` or ``"clean"`` (docs/evaluation.md).
        min_threshold: Lowest similarity threshold.
        format_only: Write the result file and compute nothing.
        outfile_prefix: Path without ending for ``<prefix>.densepose.json``.
        collect_device: Where results are gathered, ``"cpu"`` or ``"gpu"``.
        prefix: First part of the keys.

    Raises:
        FileNotFoundError: ``ann_file`` or ``surface`` does not exist.
        ValueError: A name is unknown, or ``format_only`` comes without ``outfile_prefix``.
    """

    default_prefix = "densepose"

    def __init__(
        self,
        ann_file: str | Path,
        surface: Any = "human",
        *,
        metric: str | Sequence[str] = METRIC_NAMES,
        normaliser: str | Sequence[str] = PER_PART,
        protocol: str = "official",
        min_threshold: float = 0.5,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if format_only and outfile_prefix is None:
            raise ValueError("format_only=True needs outfile_prefix, the path of the result file")
        self.ann_file = existing_file(ann_file)
        self.surface = LazySurface(surface)
        self.metric_names = (metric,) if isinstance(metric, str) else tuple(metric)
        self.normalisers = (normaliser,) if isinstance(normaliser, str) else tuple(normaliser)
        self.protocol = protocol
        self.min_threshold = min_threshold
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        check_names(self.metric_names, METRIC_NAMES, "metric")
        check_names(self.normalisers, NORMALISERS, "normaliser")
        densepose_protocol(protocol)

    @cached_property
    def truth(self) -> DensePoseTruth:
        """Ground truth, read at first use."""
        return DensePoseTruth.from_file(self.ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Score the predictions of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries with ``img_id`` and ``pred_instances`` (see
                ``sample_inputs.dense_detections``).

        Raises:
            ValueError: A prediction cannot be evaluated; the image is named.
        """
        categories = label_to_category(self.truth.categories, self.dataset_meta)
        for sample in data_samples:
            detections = dense_detections(sample, categories)
            if sample["img_id"] not in self.truth.images:
                raise ValueError(f"image {sample['img_id']} is not in {self.ann_file}")
            check_detections(detections, self.truth)
            record: dict[str, Any] = {"img_id": sample["img_id"]}
            if not self.format_only:
                record |= self._score(detections, int(sample["img_id"]))
            if self.outfile_prefix is not None:
                record["entries"] = [official_entry(detections, k) for k in range(len(detections))]
            self.results.append(record)

    @cached_property
    def scorer(self) -> PairScorer:
        """Scores one image after the other; made at first use, with the surface if needed."""
        needs_surface = {"gps", "gpsm"} & set(self.metric_names)
        return chart_scorer(
            self.truth,
            self.surface.get() if needs_surface else None,
            metrics=self.metric_names,
            normalisers=self.normalisers,
            protocol=self.protocol,
        )

    def _score(self, detections: DenseDetections, image_id: int) -> dict[str, Any]:
        scorer = self.scorer
        left_out = scorer.gatherer
        before = left_out.num_beyond_limit, left_out.num_dropped_by_region
        for category in self.truth.categories:
            index = np.flatnonzero(detections.category_ids == category)
            scorer.add(image_id, category, detections, index)
        return {
            "pairs": scorer.finish(),
            "beyond": left_out.num_beyond_limit - before[0],
            "regions": left_out.num_dropped_by_region - before[1],
        }

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Match and accumulate what all ranks gathered.

        Args:
            results: Records of ``process``, one per image.

        Returns:
            Column name to fraction, -1 where undefined. Empty with ``format_only``.
        """
        logger = MMLogger.get_current_instance()
        unique = list({record["img_id"]: record for record in reversed(results)}.values())[::-1]
        if self.outfile_prefix is not None:
            path = Path(f"{self.outfile_prefix}.densepose.json")
            entries = [entry for record in unique for entry in record["entries"]]
            write_json(path, entries)
            logger.info("Wrote %d detections of %d images to %s", len(entries), len(unique), path)
        if self.format_only:
            return {}
        pairs: list[ImagePairs] = [p for record in unique for p in record["pairs"]]
        unseen = [key for key in self.truth.persons if key[0] not in {r["img_id"] for r in unique}]
        pairs += self._unseen_pairs(unseen)
        scores = summarize_pairs(
            pairs,
            similarity_names(self.metric_names, self.normalisers),
            categories=self.truth.categories,
            protocol=self.protocol,
            min_threshold=self.min_threshold,
            notes=[*self.truth.notes, *self._notes(unique, len({key[0] for key in unseen}))],
        )
        logger.info("\n%s", score_table(scores))
        return scores.values()

    def _unseen_pairs(self, keys: Sequence[tuple[int, int]]) -> list[ImagePairs]:
        """Return the annotated images that were never processed: every person there is missed."""
        for image_id, category_id in keys:
            self.scorer.add_missed(image_id, category_id)
        return self.scorer.finish()

    @staticmethod
    def _notes(records: Sequence[Mapping[str, Any]], num_unseen: int) -> list[str]:
        counts: Counter[str] = Counter()
        for record in records:
            counts.update(beyond=record["beyond"], regions=record["regions"])
        texts = {
            "annotated images of ann_file were not processed: their persons count as missed":
                num_unseen,
            "detections beyond the 20 best of their image (not evaluated)": counts["beyond"],
            "detections inside ignore regions (left out)": counts["regions"],
        }  # fmt: skip
        return [f"{count} {text}" for text, count in texts.items() if count]
