"""Keypoint AP on COCO and CrowdPose, and recall of missing keypoints, as metrics of mmengine.

Source: COCO and CrowdPose protocols (``evaluation.functional.oks``), scoring and duplicate removal
of top-down systems, STIP's recall table.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray

from mmktn.evaluation.functional.keypoint_ap import evaluate_keypoints
from mmktn.evaluation.functional.keypoint_data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoint_recall import recall_table
from mmktn.evaluation.functional.keypoint_scores import instance_scores, remove_duplicates
from mmktn.evaluation.functional.oks import default_sigmas
from mmktn.evaluation.functional.protocol import keypoint_protocol
from mmktn.evaluation.metrics.sample_inputs import existing_file, to_numpy
from mmktn.evaluation.text_table import keypoint_table
from mmktn.registry import METRICS


@METRICS.register_module()
class OKSMetric(BaseMetric):
    """AP and AR of keypoints.

    Keys are ``keypoints/oks/AP`` ...; CrowdPose protocols add ``APeasy_code0.2-0.8`` (cuts of the
    released code) and ``APeasy_paper0.1-0.8`` (cuts of the paper), medium and hard likewise.

    Args:
        ann_file: COCO keypoint JSON of the evaluated split.
        protocol: ``"coco"``, ``"crowdpose"``, their ``_xtcocotools`` or ``_clean`` forms.
        score_by: ``"box_and_keypoints"`` or ``"box"``.
        nms: Remove results of an image that are alike by OKS 0.9.
        with_recall: Also report the recall of keypoints at scores 0.1 ... 0.9; needs results on
            ground-truth boxes, where a sample's ``id`` is the annotation's.
        format_only: Write the result file and compute nothing.
        outfile_prefix: Path without ending for ``<prefix>.keypoints.json``.
        collect_device: Where results are gathered.
        prefix: First part of the keys.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: A name is unknown, or ``format_only`` comes without ``outfile_prefix``.
    """

    default_prefix = "keypoints"

    def __init__(
        self,
        ann_file: str | Path,
        protocol: str = "coco",
        *,
        score_by: str = "box_and_keypoints",
        nms: bool = True,
        with_recall: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if score_by not in ("box_and_keypoints", "box"):
            raise ValueError(f"score_by must be 'box_and_keypoints' or 'box', got {score_by!r}")
        if format_only and outfile_prefix is None:
            raise ValueError("format_only=True needs outfile_prefix, the path of the result file")
        self.ann_file = existing_file(ann_file, "ann_file")
        self.protocol = keypoint_protocol(protocol)
        self.score_by = score_by
        self.nms = nms
        self.with_recall = with_recall
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self._truth: KeypointTruth | None = None

    @property
    def truth(self) -> KeypointTruth:
        """Ground truth, read at first use."""
        if self._truth is None:
            self._truth = KeypointTruth.from_file(self.ann_file)
        return self._truth

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the keypoints of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries of mmpose (one a person) or of mmdet (one an image):
                ``img_id``, ``pred_instances`` with keypoints (N, K, 2) in image pixels and
                keypoint_scores (N, K). The score of the box is ``bbox_scores`` (N,) of
                ``gt_instances``, else ``scores`` (N,) of ``pred_instances``, else 1. mmpose also
                gives ``id``, the person's.

        Raises:
            ValueError: A prediction has a field that does not fit; the image is named.
        """
        for sample in data_samples:
            where = f"prediction of image {sample['img_id']}"
            found = sample["pred_instances"]
            keypoints = to_numpy(found["keypoints"], np.float64)
            scores = to_numpy(found["keypoint_scores"], np.float64)
            boxes = sample.get("gt_instances", {})
            whole_image = "bbox_scores" not in boxes and "scores" in found
            box_scores = to_numpy(
                found["scores"]
                if whole_image
                else boxes.get("bbox_scores", np.ones(len(keypoints))),
                np.float64,
            ).reshape(-1)
            if keypoints.ndim != 3 or keypoints.shape[:2] != scores.shape:
                raise ValueError(f"{where}: keypoints {keypoints.shape}, scores {scores.shape}")
            if len(box_scores) != len(keypoints):
                raise ValueError(
                    f"{where}: {len(box_scores)} bbox_scores, {len(keypoints)} persons"
                )
            self.results.append(
                {
                    # A sample of mmdet is a whole image: seen twice, it counts once.
                    "id": sample.get("id", 0 if whole_image else len(self.results)),
                    "img_id": sample["img_id"],
                    "category_id": int(sample.get("category_id", 1)),  # mmpose: a 0-d array
                    "keypoints": np.concatenate([keypoints, scores[..., None]], axis=-1),
                    "box_scores": box_scores,
                }
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Score, remove duplicates, match and accumulate what all ranks gathered.

        Args:
            results: Records of ``process``.

        Returns:
            Column name to fraction, -1 where undefined. Empty with ``format_only``.
        """
        logger = MMLogger.get_current_instance()
        unique = {(r["img_id"], r["id"]): r for r in reversed(results)}
        records = [unique[key] for key in sorted(unique)]
        entries = self._entries(records)
        if self.outfile_prefix is not None:
            path = Path(f"{self.outfile_prefix}.keypoints.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(entries), encoding="utf-8")
            logger.info("Wrote %d results to %s", len(entries), path)
        if self.format_only:
            return {}
        detections = KeypointDetections.from_entries(entries, name="predictions")
        scores = evaluate_keypoints(self.truth, detections, protocol=self.protocol)
        values = scores.values()
        if self.with_recall:
            values |= self._recall(records)
        logger.info("\n%s", keypoint_table(scores))
        return values

    def _entries(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Results in COCO format, image by image."""
        by_image: dict[tuple[Any, int], list[Mapping[str, Any]]] = {}
        for record in records:
            by_image.setdefault((record["img_id"], record["category_id"]), []).append(record)
        entries = []
        for (image_id, category_id), group in by_image.items():
            keypoints = np.concatenate([r["keypoints"] for r in group])
            scores = np.concatenate([r["box_scores"] for r in group])
            if self.score_by == "box_and_keypoints":
                scores = instance_scores(keypoints[..., 2], scores)
            kept: NDArray[np.int64] = np.arange(len(scores), dtype=np.int64)
            if self.nms and len(scores):
                size = np.ptp(keypoints[..., :2], axis=1)
                kept = remove_duplicates(
                    keypoints[..., :2],
                    scores,
                    size[:, 0] * size[:, 1],
                    sigmas=default_sigmas(keypoints.shape[1]),
                )
            entries += [
                {
                    "image_id": int(image_id),
                    "category_id": int(category_id),
                    "keypoints": keypoints[k].reshape(-1).tolist(),
                    "score": float(scores[k]),
                }
                for k in kept.tolist()
            ]
        return entries

    def _recall(self, records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        place = {int(key): k for k, key in enumerate(self.truth.ids)}
        unknown = [r["id"] for r in records if int(r["id"]) not in place]
        if unknown:
            raise ValueError(
                f"with_recall: sample id {unknown[0]} is no annotation id; "
                "test on ground-truth boxes"
            )
        rows = np.array([place[int(r["id"])] for r in records], dtype=np.int64)
        scores = np.concatenate([r["keypoints"][:1, :, 2] for r in records])
        labelled = self.truth.keypoints[rows, :, 2] > 0
        index = np.array([self.truth.images[int(k)] for k in self.truth.image_ids[rows]])
        return recall_table(scores, labelled, crowd_index=index)


@METRICS.register_module()
class CrowdPoseMetric(OKSMetric):
    """``OKSMetric`` with the protocol of CrowdPose; keys start with ``crowdpose/``.

    Args:
        ann_file: CrowdPose JSON of the evaluated split.
        protocol: ``"crowdpose"``, ``"crowdpose_xtcocotools"`` or ``"crowdpose_clean"``.
        **kwargs: As in ``OKSMetric``.
    """

    default_prefix = "crowdpose"

    def __init__(self, ann_file: str | Path, protocol: str = "crowdpose", **kwargs: Any) -> None:
        super().__init__(ann_file, protocol, **kwargs)
