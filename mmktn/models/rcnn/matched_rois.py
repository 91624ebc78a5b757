"""Sampled boxes with the persons they are matched to, and which of them a branch learns from.

`pos_priors` of mmdet's sampling, in the order of the images (detectron2's DensePose).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures.bbox import bbox2roi
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.targets import densepose_roi_mask
from mmktn.structures import ChartOutput, DensePoseAnnotations


@dataclass
class MatchedRoIs:
    """N boxes of a batch.

    Attributes:
        rois: (N, 5) image index and xyxy, network-input pixels.
        persons_xyxy: (N, 4) the person matched to each.
        annotations: That person's annotation.
        num_images: Images of the batch.
        masks: For each image of the batch the masks of its persons and the person (K,) of each of
            its boxes; None if they are not asked for.
    """

    rois: Tensor
    persons_xyxy: Tensor
    annotations: DensePoseAnnotations
    num_images: int
    masks: list[tuple[BitmapMasks, Tensor]] | None = None

    def __getitem__(self, index: Tensor) -> MatchedRoIs:
        """Take some boxes by a mask (N,) or by ids."""
        assert self.masks is None, "masks are cropped for all boxes of an image"
        return MatchedRoIs(
            self.rois[index], self.persons_xyxy[index], self.annotations[index], self.num_images
        )

    def roi_masks(self, maps: Tensor) -> Tensor:
        """Return masks (N, h, w) bool of the persons on the cells of `maps`, cut at one half."""
        map_hw = (int(maps.shape[-2]), int(maps.shape[-1]))
        parts = [self.rois.new_zeros((0, *map_hw), dtype=torch.bool)]
        for image, (masks, persons) in enumerate(self.masks or ()):
            boxes = self.rois[self.rois[:, 0] == image, 1:]
            if len(boxes):
                cut = masks.crop_and_resize(
                    boxes, map_hw, persons.cpu().numpy(), device=str(boxes.device)
                )
                parts.append(cut.to_tensor(torch.bool, boxes.device))
        return torch.cat(parts)

    def loss(self, head: DensePoseHead, output: ChartOutput) -> dict[str, Tensor]:
        """Compute the losses of a head whose maps of these boxes are `output`."""
        return head.loss_by_feat(
            output,
            self.rois[:, 1:],
            self.persons_xyxy,
            self.annotations,
            num_images=self.num_images,
            roi_masks=None if self.masks is None else self.roi_masks(output["coarse_segm"]),
        )


def matched_rois(
    samplings: list[SamplingResult],
    gt_instances: InstanceList,
    masks: list[Tensor],
    *,
    with_masks: bool = False,
) -> MatchedRoIs:
    """Collect positive samples.

    Args:
        samplings: For each image mmdet's samples.
        gt_instances: For each image the persons, with `densepose`.
        masks: For each image (P,) bool, the positive samples to take.
        with_masks: Keep the persons' instance masks.

    Returns:
        The samples taken.

    Raises:
        KeyError: The persons have no masks.
    """
    triples = list(zip(samplings, gt_instances, masks, strict=True))
    return MatchedRoIs(
        rois=bbox2roi([sampling.pos_priors[keep] for sampling, _, keep in triples]),
        persons_xyxy=torch.cat([sampling.pos_gt_bboxes[keep] for sampling, _, keep in triples]),
        annotations=DensePoseAnnotations.cat(
            [truth.densepose[s.pos_assigned_gt_inds[keep]] for s, truth, keep in triples]
        ),
        num_images=len(samplings),
        masks=[_masks_of(each) for each in triples] if with_masks else None,
    )


def _masks_of(
    triple: tuple[SamplingResult, InstanceData, Tensor],
) -> tuple[BitmapMasks, Tensor]:
    sampling, truth, keep = triple
    if "masks" not in truth:
        raise KeyError(
            "the losses of this head read the persons' masks: load them with "
            "mmdet.LoadAnnotations(with_bbox=True, with_mask=True)"
        )
    return truth.masks, sampling.pos_assigned_gt_inds[keep]


def supervised_samples(
    samplings: list[SamplingResult],
    gt_instances: InstanceList,
    *,
    head: DensePoseHead,
    min_iou: float,
    max_boxes: int | None = None,
) -> list[Tensor]:
    """Say which positive samples train a head: enough overlap with a person that has its labels.

    Args:
        samplings: For each image mmdet's samples.
        gt_instances: For each image the persons, with `densepose`.
        head: The head.
        min_iou: Overlap that is needed, strictly more than this.
        max_boxes: Boxes kept in each image, drawn at random; None: all.

    Returns:
        For each image (P,) bool.

    Raises:
        KeyError: An image's `gt_instances` has no `densepose`.
    """
    masks = []
    for sampling, truth in zip(samplings, gt_instances, strict=True):
        if "densepose" not in truth:
            raise KeyError(
                "gt_instances has no 'densepose': load it with mmktn.LoadDensePoseAnnotations "
                "and pack it with mmktn.PackDensePoseInputs"
            )
        index = sampling.pos_assigned_gt_inds
        mask = densepose_roi_mask(
            sampling.pos_priors,
            sampling.pos_gt_bboxes,
            annotated=head.supervised(truth.densepose).to(index.device)[index],
            min_iou=min_iou,
        )
        if max_boxes is not None:
            kept = mask.nonzero()[:, 0]
            mask[kept[torch.randperm(len(kept), device="cpu")[max_boxes:].to(kept.device)]] = False
        masks.append(mask)
    return masks
