"""Dense-pose metrics for samples that hold one person each.

The protocol matches all detections of an image together, but the persons of a top-down system are
spread over batches and processes; they are brought together before anything is scored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmktn.evaluation.metrics.densepose_metric import DensePoseMetric
from mmktn.evaluation.metrics.pointwise_metric import PointwiseDensePoseMetric
from mmktn.evaluation.metrics.sample_inputs import instance_fields, to_numpy
from mmktn.registry import METRICS
from mmktn.structures import ChartResult, ChartResults, decode_png, encode_png


class PersonSamples(BaseMetric):
    """Put before a metric of images, this makes it a metric of persons.

    Maps are kept as PNG until the end of the epoch (about 10 kB a person), and similarities are
    computed by the process that gathers them.
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
            results: Records of `process`, one a person; repetitions (the last batch of several
                processes) are dropped.

        Returns:
            As the metric of images.
        """
        persons = {(record["img_id"], record["id"]): record for record in reversed(results)}
        images: dict[Any, list[dict[str, Any]]] = {}
        for (image_id, _), record in reversed(persons.items()):
            images.setdefault(image_id, []).append(record)
        self.results.clear()
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
    """Pointwise errors of systems that see one person at a time; as `PointwiseDensePoseMetric`."""


def _image_sample(image_id: Any, persons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Records of the persons of one image -> a sample of `DensePoseMetric`."""
    joined = {
        key: torch.from_numpy(np.concatenate([person[key] for person in persons]))
        for key in ("bboxes", "scores", "labels")
    }
    maps = [decode_png(text) for person in persons for text in person["maps"]]
    densepose = ChartResults(ChartResult.from_iuv_uint8(iuv) for iuv in maps)
    return {"img_id": image_id, "pred_instances": joined | {"densepose": densepose}}
