"""Dense-pose metrics for samples that hold one person each.

The protocol matches all detections of an image together, but the persons of a top-down system are
spread over batches and processes; they are brought together before anything is scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmktn.evaluation.functional.densepose.point_errors import PointDistances
from mmktn.evaluation.functional.densepose.pointwise import score_image
from mmktn.evaluation.metrics.densepose_metric import DensePoseMetric
from mmktn.evaluation.metrics.pointwise_metric import PointwiseDensePoseMetric
from mmktn.evaluation.metrics.sample_inputs import (
    dense_detections,
    instance_fields,
    label_to_category,
    to_numpy,
)
from mmktn.registry import METRICS
from mmktn.structures import ChartResult, ChartResults, decode_png, encode_png


class PersonSamples(BaseMetric):
    """Mixin that lets a metric score samples of one person each instead of one image each.

    A class names it before the metric that it changes. `process` keeps each person's map as a PNG
    (about 10 kB per person); the process that gathers the records puts the persons of an image
    together and scores them when the epoch ends.
    """

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the predictions of a batch.

        Args:
            data_batch: Not used.
            data_samples: Dictionaries with `img_id`, `id` (of the person) and `pred_instances` as
                the metric of images takes them.

        Raises:
            ValueError: A field is missing; the image is named.
        """
        for sample in data_samples:
            where = f"prediction of image {sample['img_id']}"
            predicted = instance_fields(sample["pred_instances"], _FIELDS, where)
            self.results.append(
                {
                    "img_id": sample["img_id"],
                    "id": sample["id"],
                    "bboxes": to_numpy(predicted["bboxes"], np.float32),
                    "scores": to_numpy(predicted["scores"], np.float32),
                    "labels": to_numpy(predicted["labels"], np.int64),
                    "maps": [encode_png(item.iuv_uint8()) for item in predicted["densepose"]],
                }
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Bring the persons of each image together and score them.

        Args:
            results: Records of `process`, one per person; repetitions (the last batch of several
                processes) are dropped. Annotated images without a record count as missed.

        Returns:
            As the metric of images.
        """
        persons = {(record["img_id"], record["id"]): record for record in reversed(results)}
        images: dict[Any, list[dict[str, Any]]] = {}
        for (image_id, _), record in reversed(persons.items()):
            images.setdefault(image_id, []).append(record)
        self.results.clear()
        # Where a detector found nobody there is no sample, yet every point was missed.
        for image_id, _ in self.truth.persons:
            images.setdefault(image_id, [])
        super().process(None, [_image_sample(key, group) for key, group in images.items()])
        records = list(self.results)
        self.results.clear()
        return super().compute_metrics(records)


_FIELDS = ("bboxes", "scores", "labels", "densepose")


@METRICS.register_module()
class TopdownDensePoseMetric(PersonSamples, DensePoseMetric):
    """AP and AR of dense pose for top-down systems; arguments and keys as `DensePoseMetric`."""


@METRICS.register_module()
class TopdownPointwiseMetric(PersonSamples, PointwiseDensePoseMetric):
    """Pointwise errors of systems that see one person at a time.

    Args:
        *args: Of `PointwiseDensePoseMetric`.
        own_points: Read the points of each person in that person's own result, as the paper does
            with crops of single persons; samples say by `ann_id` whom they show. Else all results
            are painted into their image, where they may hide each other.
        **kwargs: Of `PointwiseDensePoseMetric`.
    """

    def __init__(self, *args: Any, own_points: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own_points = own_points

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the predictions of a batch; see `PersonSamples.process`.

        Raises:
            ValueError: A field is missing; the image is named.
        """
        super().process(data_batch, data_samples)
        if not self.own_points:
            return
        for record, sample in zip(self.results[-len(data_samples) :], data_samples, strict=True):
            if sample.get("ann_id") is None:
                raise ValueError(
                    f"prediction of image {sample['img_id']}: own_points=True needs 'ann_id'; keep "
                    "it through meta_keys, or set own_points=False for detected boxes"
                )
            record["ann_id"] = sample["ann_id"]

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Score persons in their images, or each by itself.

        Args:
            results: Records of `process`, one per person.

        Returns:
            As `PointwiseDensePoseMetric.compute_metrics`.
        """
        if not self.own_points:
            return super().compute_metrics(results)
        people = {p.annotation_id: (key, p) for key, ps in self.truth.persons.items() for p in ps}
        errors: dict[Any, list[PointDistances]] = {}
        for record in {record["ann_id"]: record for record in results}.values():
            key, person = people[record["ann_id"]]
            alone = replace(self.truth, persons={key: [person]})
            found = dense_detections(
                _image_sample(record["img_id"], [record]),
                label_to_category(self.truth.categories, self.dataset_meta),
            )
            points, _ = score_image(
                alone, record["img_id"], self.surface.get(),
                boxes_xywh=found.boxes_xywh, scores=found.scores,
                maps=[found.iuv(k) for k in range(len(found.scores))],
                protocol=self.protocol, with_iou=False,
            )  # fmt: skip
            errors.setdefault(record["img_id"], []).append(points)
        records = [
            {"img_id": key, "errors": PointDistances.merge(parts), "foreground": None}
            for key, parts in errors.items()
        ]
        return PointwiseDensePoseMetric.compute_metrics(self, records)


def _image_sample(image_id: Any, persons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Records of the persons of one image -> a sample of `DensePoseMetric`."""
    nobody = {"bboxes": np.zeros((0, 4)), "scores": np.zeros(0), "labels": np.zeros(0, np.int64)}
    joined = {
        key: torch.from_numpy(np.concatenate([person[key] for person in persons] or [empty]))
        for key, empty in nobody.items()
    }
    maps = [decode_png(text) for person in persons for text in person["maps"]]
    densepose = ChartResults(ChartResult.from_iuv_uint8(iuv) for iuv in maps)
    return {"img_id": image_id, "pred_instances": joined | {"densepose": densepose}}
