"""Adapter between mmdet's two-stage detectors and the framework-neutral `DensePoseHead`.

Corresponds to `DensePoseROIHeads` of detectron2 and `DensePoseKTNv2Heads` of KTN: sampled
proposals that overlap their person enough train the branch, final detections are decoded.
Everything about charts happens in `DensePoseHead`; this file only moves boxes.
"""

from __future__ import annotations

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmdet.utils import ConfigType, InstanceList, OptConfigType
from torch import Tensor

from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.targets import densepose_roi_mask
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, DensePoseAnnotations


@MODELS.register_module()
class DensePoseRoIHead(StandardRoIHead):
    """RoI head with boxes (and masks, if configured) plus a DensePose branch.

    `train_cfg.densepose_fg_iou` (default 0.7, KTN 0.65) is the overlap of a sampled box with its
    person above which, strictly, the box trains the DensePose branch.

    Args:
        densepose_roi_extractor: Pools (N, C, h, w) features; with a `densepose_neck`, from its
            single stride-4 map.
        densepose_head: The `DensePoseHead`.
        densepose_neck: FPN levels -> one stride-4 map for the DensePose branch alone
            (Panoptic-FPN decoder, MID); the other branches keep reading the plain levels. None
            pools from the levels.

    Reference:
        Guler et al., DensePose, CVPR 2018, section 3.2; methods sections 1.2, 6.4 and 23.
    """

    def __init__(
        self,
        *args,  # noqa: ANN002  # the host's own arguments, handed through
        densepose_roi_extractor: ConfigType,
        densepose_head: ConfigType,
        densepose_neck: OptConfigType = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(*args, **kwargs)
        if not self.with_bbox:
            raise ValueError("DensePoseRoIHead needs bbox_head: its RoIs are detected boxes")
        self.densepose_neck = None if densepose_neck is None else MODELS.build(densepose_neck)
        self.densepose_roi_extractor = MODELS.build(densepose_roi_extractor)
        self.densepose_head: DensePoseHead = MODELS.build(densepose_head)

    def forward(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList | None = None,
    ) -> tuple:
        """Run the branches on the proposals, without decoding (used by `mode='tensor'`)."""
        results = super().forward(x, rpn_results_list, batch_data_samples)
        rois = bbox2roi([res.bboxes for res in rpn_results_list])[:100]
        return (*results, self._densepose_forward(self._densepose_features(x), rois))

    def loss(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
    ) -> dict[str, Tensor]:
        """Losses of all branches.

        Args:
            x: FPN levels, each (B, C, h, w).
            rpn_results_list: Proposals of each image, network-input pixels.
            batch_data_samples: Samples whose `gt_instances` carry `bboxes` and `densepose`
                (`DensePoseAnnotations`).

        Returns:
            Losses of the box branch, the mask branch where there is one, and the DensePose branch.
        """
        gt_instances, gt_ignored, _ = unpack_gt_instances(batch_data_samples)
        samplings = []
        for proposals, truth, ignored in zip(
            rpn_results_list, gt_instances, gt_ignored, strict=True
        ):
            proposals.priors = proposals.pop("bboxes")
            assigned = self.bbox_assigner.assign(proposals, truth, ignored)
            samplings.append(self.bbox_sampler.sample(assigned, proposals, truth))

        bbox_results = self.bbox_loss(x, samplings)
        losses = dict(bbox_results["loss_bbox"])
        if self.with_mask:
            masks = self.mask_loss(x, samplings, bbox_results["bbox_feats"], gt_instances)
            losses.update(masks["loss_mask"])
        losses.update(self.densepose_loss(x, samplings, gt_instances))
        return losses

    def densepose_loss(
        self,
        x: tuple[Tensor, ...],
        samplings: list[SamplingResult],
        gt_instances: InstanceList,
    ) -> dict[str, Tensor]:
        """Losses of the DensePose branch on sampled boxes that overlap an annotated person.

        Raises:
            KeyError: An image's `gt_instances` has no `densepose`.
        """
        min_iou = self.train_cfg.get("densepose_fg_iou", 0.7)
        rois, persons, annotations = [], [], []
        for sampling, truth in zip(samplings, gt_instances, strict=True):
            if "densepose" not in truth:
                raise KeyError(
                    "gt_instances has no 'densepose': load it with mmktn.LoadDensePoseAnnotations "
                    "and pack it with mmktn.PackDensePoseInputs"
                )
            index = sampling.pos_assigned_gt_inds
            keep = densepose_roi_mask(
                sampling.pos_priors,
                sampling.pos_gt_bboxes,
                annotated=truth.densepose.valid.to(index.device)[index],
                min_iou=min_iou,
            )
            rois.append(sampling.pos_priors[keep])
            persons.append(sampling.pos_gt_bboxes[keep])
            annotations.append(truth.densepose[index[keep]])
        features = self._densepose_features(x)
        output = self._densepose_forward(features, bbox2roi(rois))
        return self.densepose_head.loss_by_feat(
            output,
            torch.cat(rois),
            torch.cat(persons),
            DensePoseAnnotations.cat(annotations),
            num_images=len(samplings),
        )

    def predict(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
        rescale: bool = False,
    ) -> InstanceList:
        """Detect persons and decode their charts.

        Args:
            x: FPN levels, each (B, C, h, w).
            rpn_results_list: Proposals of each image, network-input pixels.
            batch_data_samples: Samples with `img_shape`, `ori_shape` and `scale_factor`.
            rescale: Give boxes and charts in pixels of the original image.

        Returns:
            For each image `bboxes` (N, 4) xyxy, `scores`, `labels`, `densepose` (`ChartResults`
            of N persons) and, with a mask head, `masks`.
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        results = self.predict_bbox(x, metas, rpn_results_list, self.test_cfg, rescale=False)
        results = [res[_has_area(res.bboxes)] for res in results]
        # Pool before anything rescales the boxes: RoIs are in network-input pixels, results in
        # those of the image.
        rois = [res.bboxes for res in results]
        if self.with_mask:
            results = self.predict_mask(x, metas, results, rescale=rescale)
        elif rescale:
            for res, meta in zip(results, metas, strict=True):
                factor = [1 / s for s in meta["scale_factor"]]
                res.bboxes = scale_boxes(res.bboxes, factor)
        for res, meta in zip(results, metas, strict=True):
            height, width = (meta["ori_shape"] if rescale else meta["img_shape"])[:2]
            limit = res.bboxes.new_tensor([width, height, width, height])
            res.bboxes = torch.minimum(res.bboxes.clamp(min=0), limit)
        return self.predict_densepose(x, rois, results)

    def predict_densepose(
        self, x: tuple[Tensor, ...], rois: list[Tensor], results: InstanceList
    ) -> InstanceList:
        """Decode the charts of given boxes (the inferencer hands its users' boxes in here).

        Args:
            x: FPN levels, each (B, C, h, w).
            rois: For each image (N, 4) boxes in network-input pixels.
            results: For each image the same N boxes as `bboxes`, in the pixels the charts shall
                have.

        Returns:
            `results` with `densepose` added.
        """
        features = self._densepose_features(x) if any(map(len, rois)) else None
        for index, (boxes, res) in enumerate(zip(rois, results, strict=True)):
            batched = torch.cat([boxes.new_full((len(boxes), 1), index), boxes], dim=1)
            res.densepose = self.densepose_head.predict(
                lambda part, batched=batched: self._pool(features, batched[part]),
                res.bboxes,
                box_weights=self._box_weights(),
            )
        return results

    def _densepose_features(self, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return x if self.densepose_neck is None else self.densepose_neck(x)

    def _pool(self, features: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        extractor = self.densepose_roi_extractor
        return extractor(features[: extractor.num_inputs], rois)

    def _densepose_forward(self, features: tuple[Tensor, ...], rois: Tensor) -> ChartOutput:
        return self.densepose_head(self._pool(features, rois), box_weights=self._box_weights())

    def _box_weights(self) -> dict[str, Tensor]:
        """Weights of the box classifier and regressor: KTM's location source (methods 8.1)."""
        return {
            "cls": self.bbox_head.fc_cls.weight,
            "reg": self.bbox_head.fc_reg.weight,
        }


def _has_area(boxes: Tensor) -> Tensor:
    """Mask of boxes (N, 4) xyxy with positive width and height."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
