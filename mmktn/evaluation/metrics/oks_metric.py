"""Keypoint AP on COCO and CrowdPose, and recall of missing keypoints, as metrics of mmengine.

Source: COCO and CrowdPose protocols (``functional.keypoints``), scoring and duplicate removal of
top-down systems, STIP's recall table.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import keypoint_protocol
from mmktn.evaluation.functional.keypoints.ap import evaluate_keypoints
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoints.recall import (
    batch_mean_recall,
    keypoint_recall,
    named_recall,
    recall_table,
)
from mmktn.evaluation.functional.keypoints.scores import (
    duplicate_sigmas,
    instance_scores,
    remove_duplicates,
)
from mmktn.evaluation.metrics.sample_inputs import existing_file, to_numpy
from mmktn.evaluation.text_table import keypoint_table, recall_text
from mmktn.registry import METRICS
from mmktn.utils.output_files import write_json


def person_areas(
    keypoints: NDArray[np.float64], truth: Mapping[str, Any], found: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Return the areas by which results of one sample are compared for duplicates.

    The official code and mmpose take the crop: the box at the aspect ratio of the input, enlarged.

    Args:
        keypoints: (N, K, 2) image pixels.
        truth: ``gt_instances``; ``bbox_scales`` (N, 2) is the size of the crops in image pixels.
        found: ``pred_instances``; ``bboxes`` (N, 4) xyxy takes its place where there are no crops.

    Returns:
        (N,) pixels; of the keypoints' extent where neither is known for every person.
    """
    count = len(keypoints)
    if "bbox_scales" in truth and len(truth["bbox_scales"]) == count:
        sizes = to_numpy(truth["bbox_scales"], np.float64).reshape(-1, 2)
    elif "bboxes" in found and len(found["bboxes"]) == count:
        boxes = to_numpy(found["bboxes"], np.float64).reshape(-1, 4)
        sizes = boxes[:, 2:] - boxes[:, :2]
    else:
        sizes = np.ptp(keypoints[..., :2], axis=1)
    return sizes.prod(axis=1)


@METRICS.register_module()
class OKSMetric(BaseMetric):
    """AP and AR of keypoints.

    Keys are ``keypoints/oks/AP`` ...; CrowdPose protocols add ``APeasy_code0.2-0.8`` (cuts of the
    released code) and ``APeasy_paper0.1-0.8`` (cuts of the paper), medium and hard likewise.

    Args:
        ann_file: COCO keypoint JSON of the evaluated split.
        protocol: ``"coco"``, ``"crowdpose"``, their ``_xtcocotools`` or ``_clean`` forms.
        score_by: ``"box_and_keypoints"`` or ``"box"``.
        nms: Remove results of an image that are alike by OKS 0.9, areas being those of the crops.
        with_recall: Also report the recall of keypoints at scores 0.1 ... 0.9; needs results on
            ground-truth boxes, where a sample's ``id`` is the annotation's. ``recall@0.1`` is the
            global ratio, with splits by crowdIndex; ``recall_batch@0.1`` the mean over the
            batches of evaluation; ``recall_classifier@0.1`` takes ``keypoint_presence`` (N, K) of
            ``pred_instances`` as the score, where a model has it.
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
        self.ann_file = existing_file(ann_file)
        self.protocol = keypoint_protocol(protocol)
        self.score_by = score_by
        self.nms = nms
        self.with_recall = with_recall
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self._batch = 0

    @cached_property
    def truth(self) -> KeypointTruth:
        """Ground truth, read at first use."""
        return KeypointTruth.from_file(self.ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the keypoints of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries of mmpose (one per person) or of mmdet (one per image):
                ``img_id``, ``pred_instances`` with keypoints (N, K, 2) in image pixels and
                keypoint_scores (N, K). The score of the box is ``bbox_scores`` (N,) of
                ``gt_instances``, else ``scores`` (N,) of ``pred_instances``, else 1. The area for
                ``nms`` is that of the crop, ``bbox_scales`` (N, 2) of ``gt_instances``, else of
                ``bboxes`` (N, 4) of ``pred_instances``, else of the keypoints' extent. mmpose also
                gives ``id``, the person's.

        Raises:
            ValueError: A prediction has a field that does not fit; the image is named.
        """
        self._batch += 1
        for sample in data_samples:
            self.results.append(self._record(sample))

    def _record(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Check one sample and keep what is needed of it."""
        where = f"prediction of image {sample['img_id']}"
        found = sample["pred_instances"]
        keypoints = to_numpy(found["keypoints"], np.float64)
        scores = to_numpy(found["keypoint_scores"], np.float64)
        boxes = sample.get("gt_instances", {})
        whole_image = "bbox_scores" not in boxes and "scores" in found
        box_scores = to_numpy(
            found["scores"] if whole_image else boxes.get("bbox_scores", np.ones(len(keypoints))),
            np.float64,
        ).reshape(-1)
        if keypoints.ndim != 3 or keypoints.shape[:2] != scores.shape:
            raise ValueError(f"{where}: keypoints {keypoints.shape}, scores {scores.shape}")
        if len(box_scores) != len(keypoints):
            raise ValueError(f"{where}: {len(box_scores)} bbox_scores, {len(keypoints)} persons")
        return {
            # A sample of mmdet is a whole image: seen twice, it counts once.
            "id": sample.get("id", 0 if whole_image else len(self.results)),
            "img_id": sample["img_id"],
            "category_id": self._category(sample),
            "keypoints": np.concatenate([keypoints, scores[..., None]], axis=-1),
            "box_scores": box_scores,
            "areas": person_areas(keypoints, boxes, found),
            "presence": found.get("keypoint_presence") if self.with_recall else None,
            "batch": (get_rank(), self._batch),
        }

    def _category(self, sample: Mapping[str, Any]) -> int:
        """Find a sample's category in the file: the one called person, else its own or the first.

        The hosts' data sets hand out persons, and write 1 or nothing where the file has another
        number for them.
        """
        categories = self.truth.categories
        persons = [key for key, name in categories.items() if name == "person"]
        if persons:
            return persons[0]
        given = int(sample.get("category_id", -1))  # mmpose: a 0-d array
        return given if given in categories else min(categories)

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
            write_json(path, entries)
            logger.info("Wrote %d results to %s", len(entries), path)
        if self.format_only:
            return {}
        detections = KeypointDetections.from_entries(entries, name="predictions")
        scores = evaluate_keypoints(self.truth, detections, protocol=self.protocol)
        values = scores.values()
        logger.info("\n%s", keypoint_table(scores))
        if self.with_recall:
            recall = self._recall(records)
            logger.info("\n%s", recall_text(recall))
            values |= recall
        return values

    def _entries(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the results in COCO format, image by image."""
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
                kept = remove_duplicates(
                    keypoints[..., :2],
                    scores,
                    np.concatenate([r["areas"] for r in group]),
                    sigmas=duplicate_sigmas(keypoints.shape[1]),
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
        """Compute the global recall with splits, its mean over batches, and the classifier's."""
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
        table = recall_table(scores, labelled, crowd_index=index)
        number = {key: k for k, key in enumerate(dict.fromkeys(r["batch"] for r in records))}
        batches = np.array([number[r["batch"]] for r in records], dtype=np.int64)
        table |= named_recall("recall_batch", batch_mean_recall(scores, labelled, batches))
        presence = [
            to_numpy(p, np.float64)[:1] for r in records if (p := r["presence"]) is not None
        ]
        if presence and len(presence) == len(records):
            recall = keypoint_recall(np.concatenate(presence), labelled)
            table |= named_recall("recall_classifier", recall)
        return table


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
