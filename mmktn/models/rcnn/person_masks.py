"""Semantic target of the multi-instance segmentor of MIDv1: persons or background."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample, SampleList
from torch import Tensor


def segmentor_loss(logits: Tensor, samples: SampleList) -> Tensor:
    """Compute the mean cross entropy of all cells between persons and background.

    Args:
        logits: (B, 2, h, w), background first, over the padded images.
        samples: Samples with `batch_input_shape` and `masks` of all persons, crowds included.

    Returns:
        Scalar.
    """
    target = torch.stack([person_mask_target(sample, logits.shape[-2:]) for sample in samples])
    return F.cross_entropy(logits.float(), target.to(logits.device))


def person_mask_target(sample: DetDataSample, map_hw: Sequence[int]) -> Tensor:
    """Return the union of the persons of an image, resized bilinearly and cut at one half.

    Args:
        sample: Sample with `gt_instances.masks`, `ignored_instances.masks` and the size of the
            padded image `batch_input_shape`.
        map_hw: Cells over the padded image.

    Returns:
        (h, w) int64, 1 on persons.

    Raises:
        KeyError: The masks were not loaded.
    """
    height, width = sample.batch_input_shape
    union = torch.zeros(height, width)
    for instances in (sample.gt_instances, sample.ignored_instances):
        if len(instances) and "masks" not in instances:
            raise KeyError(
                "the segmentor needs person masks: load them with "
                "mmdet.LoadAnnotations(with_bbox=True, with_mask=True)"
            )
        if len(instances):
            persons = instances.masks.to_tensor(torch.bool, "cpu").any(dim=0)
            union[: persons.shape[0], : persons.shape[1]] += persons
    size = (int(map_hw[0]), int(map_hw[1]))
    resized = F.interpolate(
        union.clamp(max=1)[None, None], size=size, mode="bilinear", align_corners=False
    )
    return (resized[0, 0] > 0.5).long()
