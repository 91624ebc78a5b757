"""Adapter between mmdet's two-stage detectors and the framework-neutral `DensePoseHead`.

Corresponds to `DensePoseROIHeads` of detectron2 and `DensePoseKTNv2Heads` of KTN: sampled
proposals that overlap their person enough train the branch, final detections are decoded.
Everything about charts happens in `DensePoseHead`; this file only moves boxes. The same head with
mmdet's mask head or a keypoint head beside it is the multi-task system of the DensePose paper.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmdet.utils import ConfigType, InstanceList, OptConfigType
from mmengine.structures import InstanceData
from torch import Tensor

from mmktn.formats.distinct_people import distinct_people
from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.rcnn.matched_rois import matched_rois, supervised_samples
from mmktn.models.rcnn.person_masks import segmentor_loss
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput

Features = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""FPN levels, and what the DensePose branch pools from."""


@MODELS.register_module()
class DensePoseRoIHead(StandardRoIHead):
    """RoI head with boxes plus a DensePose branch and, if configured, masks and keypoints.

    `train_cfg.densepose_fg_iou` (default 0.7, KTN 0.65) is the overlap of a sampled box with its
    person above which, strictly, the box trains the DensePose branch; `train_cfg.keypoint_fg_iou`
    (default 0.5) that of the keypoint branch. `train_cfg.densepose_max_rois` bounds the boxes of an
    image that train them (32 in Parsing R-CNN; default all). `test_cfg.max_body_overlap` (default:
    none) drops people of whose body pixels a larger share belongs to one better-scored person. A
    neck with a `segmentor` adds the loss of MIDv1's multi-instance segmentor.

    Args:
        densepose_roi_extractor: Pools (N, C, h, w) features; with a `densepose_neck`, from its
            single stride-4 map.
        densepose_head: The `DensePoseHead`.
        densepose_neck: FPN levels -> one stride-4 map for the DensePose branch alone
            (Panoptic-FPN decoder, MID); the other branches keep reading the plain levels. None
            pools from the levels.
        keypoint_head: A `DensePoseHead` for keypoints alone; None: no keypoint branch.
        keypoint_roi_extractor: Pools for it from the plain levels; None: it shares the features
            that the DensePose branch pools.

    Reference:
        Guler et al., DensePose, CVPR 2018, sections 3.2 and 3.3.
    """

    def __init__(
        self,
        *args,  # noqa: ANN002  # the host's own arguments, handed through
        densepose_roi_extractor: ConfigType,
        densepose_head: ConfigType,
        densepose_neck: OptConfigType = None,
        keypoint_head: OptConfigType = None,
        keypoint_roi_extractor: OptConfigType = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(*args, **kwargs)
        if not self.with_bbox:
            raise ValueError("DensePoseRoIHead needs bbox_head: its RoIs are detected boxes")
        self.densepose_neck = _built(densepose_neck)
        self.densepose_roi_extractor = MODELS.build(densepose_roi_extractor)
        self.densepose_head: DensePoseHead = MODELS.build(densepose_head)
        self.keypoint_head: DensePoseHead | None = _built(keypoint_head)
        self.keypoint_roi_extractor = _built(keypoint_roi_extractor)
        if self.keypoint_head:
            makers = (self.densepose_head.predictor, self.keypoint_head.predictor)
            both = set(makers[0].field_names) & set(makers[1].field_names)
            if both:
                raise ValueError(
                    f"densepose_head and keypoint_head both make {sorted(both)}: their losses and "
                    "results have the same names; drop one of them"
                )

    def forward(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList | None = None,
    ) -> tuple:
        """Run the branches on the proposals, without decoding (used by `mode='tensor'`)."""
        results = super().forward(x, rpn_results_list, batch_data_samples)
        rois = bbox2roi([res.bboxes for res in rpn_results_list])[:100]
        branches = self._branch_maps(self._branch_features(x), rois)
        return (*results, *(maps.traceable() for maps in branches))

    def loss(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
    ) -> dict[str, Tensor]:
        """Compute the losses of all branches.

        Args:
            x: FPN levels, each (B, C, h, w).
            rpn_results_list: Proposals of each image, network-input pixels.
            batch_data_samples: Samples whose `gt_instances` carry `bboxes` and `densepose`
                (`DensePoseAnnotations`), with a mask head also `masks`.

        Returns:
            Losses of the box branch, of the DensePose branch, and of masks and keypoints where
            there are branches of theirs.
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
        losses.update(self.branch_losses(x, samplings, gt_instances, bbox_results["bbox_feats"]))
        segmentor = getattr(self.densepose_neck, "segmentor", None)
        if segmentor is not None:
            weight = getattr(self.densepose_neck, "segmentor_weight", 1.0)
            loss = segmentor_loss(segmentor(x)[0], batch_data_samples)
            losses["loss_segmentor"] = weight * loss
        return losses

    def branch_losses(
        self,
        x: tuple[Tensor, ...],
        samplings: list[SamplingResult],
        gt_instances: InstanceList,
        bbox_feats: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the losses of everything but boxes, on the sampled boxes of each image.

        Raises:
            KeyError: An image's `gt_instances` has no `densepose`.
        """
        losses: dict[str, Tensor] = {}
        if self.with_mask:
            masks = self.mask_loss(x, samplings, bbox_feats, gt_instances)
            losses.update(masks["loss_mask"])
        features = self._branch_features(x)
        keep = self._supervised(samplings, gt_instances, self.densepose_head)
        matched = matched_rois(
            samplings, gt_instances, keep, with_masks=self.densepose_head.needs_masks
        )
        output = self._densepose_forward(features, matched.rois)
        losses.update(matched.loss(self.densepose_head, output))
        if self.keypoint_head is not None:
            keep = self._supervised(samplings, gt_instances, self.keypoint_head)
            matched = matched_rois(samplings, gt_instances, keep)
            output = self.keypoint_head(self._pool_keypoints(features, matched.rois))
            losses.update(matched.loss(self.keypoint_head, output))
        return losses

    def _supervised(
        self, samplings: list[SamplingResult], gt_instances: InstanceList, head: DensePoseHead
    ) -> list[Tensor]:
        """For each image, which positive samples train a head."""
        key, default = (
            ("keypoint_fg_iou", 0.5) if head is self.keypoint_head else ("densepose_fg_iou", 0.7)
        )
        return supervised_samples(
            samplings,
            gt_instances,
            head=head,
            min_iou=self.train_cfg.get(key, default),
            max_boxes=self.train_cfg.get("densepose_max_rois"),
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
            For each image `bboxes` (N, 4) xyxy, `scores`, `labels`, what the decoders of the
            heads make (`densepose`: `ChartResults` of N persons) and, with a mask head, `masks`.
            With `max_body_overlap` in the test settings of this head, without those who are
            somebody else once more (`distinct_people`).
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        results = self.predict_bbox(x, metas, rpn_results_list, self.test_cfg, rescale=False)
        results = [res[_has_area(res.bboxes)] for res in results]
        # Pool before anything rescales the boxes: RoIs are in network-input pixels, results in
        # those of the image.
        rois = [res.bboxes for res in results]
        for res, boxes, meta in zip(results, rois, metas, strict=True):
            factor = [1 / s for s in meta["scale_factor"]] if rescale else [1.0, 1.0]
            height, width = (meta["ori_shape"] if rescale else meta["img_shape"])[:2]
            limit = boxes.new_tensor([width, height, width, height])
            res.bboxes = torch.minimum(scale_boxes(boxes, factor).clamp(min=0), limit)
        mask_logits = self._predict_branches(x, rois, results)
        if self.with_mask:
            self._paste_masks(mask_logits, rois, results, metas, rescale=rescale)
        return [self.distinct(res) for res in results]

    def distinct(self, found: InstanceData) -> InstanceData:
        """Leave out people who are somebody else once more, where the test settings ask for it.

        Raises:
            ValueError: `max_body_overlap` is set, and the system has no charts to see them by.
        """
        max_overlap = self.test_cfg.get("max_body_overlap")
        if max_overlap is None:
            return found
        if "densepose" not in found:
            raise ValueError("test_cfg.rcnn.max_body_overlap needs a head that decodes charts")
        scores = found.scores.float().cpu().numpy()
        keep = distinct_people(list(found.densepose), scores, float(max_overlap))
        return found[torch.from_numpy(keep).to(found.scores.device)]

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
            `results` with the decoded fields (`densepose`, `keypoints`, ...) added; masks, which
            need the size of the image, are left to `predict`.
        """
        self._predict_branches(x, rois, results)
        return results

    def _predict_branches(
        self, x: tuple[Tensor, ...], rois: list[Tensor], results: InstanceList
    ) -> list[Tensor]:
        """Add the decoded fields to `results`; give for each image the mask logits (N, 1, h, w)."""
        features = self._branch_features(x) if any(map(len, rois)) else (x, x)
        mask_logits = []
        for index, (boxes, res) in enumerate(zip(rois, results, strict=True)):
            batched = torch.cat([boxes.new_full((len(boxes), 1), index), boxes], dim=1)
            found = self._predict_instances(features, batched, res.bboxes, res.get("labels"))
            mask_logits.append(found.pop("mask_logits", boxes.new_zeros((len(boxes), 1, 1, 1))))
            for name, value in found.items():
                setattr(res, name, value)
        return mask_logits

    def _predict_instances(
        self,
        features: Features,
        rois: Tensor,
        boxes_xyxy: Tensor,
        labels: Tensor | None = None,
    ) -> dict[str, Any]:
        """Return results of N RoIs (N, 5) of one image; a few at a time, which bounds memory."""
        head = self.densepose_head
        found = head.predict_instances(
            lambda part: self._pool(features, rois[part]),
            boxes_xyxy,
            self._box_weights(),
            labels=labels,
        )
        if self.keypoint_head is not None:
            found |= self.keypoint_head.predict_instances(
                lambda part: self._pool_keypoints(features, rois[part]), boxes_xyxy
            )
        if self.with_mask and len(rois):
            parts = [self._mask_forward(features[0], rois[p]) for p in head.chunks(len(rois))]
            found["mask_logits"] = torch.cat([part["mask_preds"] for part in parts])
        return found

    def _paste_masks(
        self,
        mask_logits: list[Tensor],
        rois: list[Tensor],
        results: InstanceList,
        metas: list[dict],
        *,
        rescale: bool,
    ) -> None:
        """Add `masks` (N, H, W) of the image; mmdet scales the boxes it is given in place."""
        boxes = [
            InstanceData(bboxes=roi.clone(), labels=res.labels)
            for roi, res in zip(rois, results, strict=True)
        ]
        pasted = self.mask_head.predict_by_feat(
            mask_logits, boxes, metas, self.test_cfg, rescale=rescale
        )
        for res, single in zip(results, pasted, strict=True):
            res.masks = single.masks

    def _branch_features(self, x: tuple[Tensor, ...]) -> Features:
        return x, x if self.densepose_neck is None else self.densepose_neck(x)

    def _pool(self, features: Features, rois: Tensor) -> Tensor:
        return _pooled(self.densepose_roi_extractor, features[1], rois)

    def _pool_keypoints(self, features: Features, rois: Tensor) -> Tensor:
        extractor = self.keypoint_roi_extractor
        if extractor is None:
            return self._pool(features, rois)
        return _pooled(extractor, features[0], rois)

    def _densepose_forward(self, features: Features, rois: Tensor) -> ChartOutput:
        return self.densepose_head(self._pool(features, rois), box_weights=self._box_weights())

    def _branch_maps(self, features: Features, rois: Tensor) -> tuple[ChartOutput, ...]:
        """Return the maps of the DensePose branch and of the keypoint branch, if there is one."""
        charts = self._densepose_forward(features, rois)
        if self.keypoint_head is None:
            return (charts,)
        return charts, self.keypoint_head(self._pool_keypoints(features, rois))

    def _box_weights(self) -> dict[str, Tensor]:
        """Return classifier and regressor of the boxes: KTM's location source (KTN, TCSVT 2022)."""
        return {
            "cls": self.bbox_head.fc_cls.weight,
            "reg": self.bbox_head.fc_reg.weight,
        }


def _built(config: OptConfigType) -> Any:
    """Build a module; None stays None."""
    return None if config is None else MODELS.build(config)


def _pooled(extractor: Any, levels: tuple[Tensor, ...], rois: Tensor) -> Any:
    """Return the features of N RoIs (N, 5), connected to all levels even if there are none.

    mmdet's extractors give new zeros without RoIs. The neck would then have no gradient, for which
    distributed training waits.
    """
    used = levels[: extractor.num_inputs]
    pooled = extractor(used, rois)
    if len(rois):
        return pooled
    nothing = sum(level.flatten()[:0].sum() for level in used)
    if isinstance(pooled, Tensor):
        return pooled + nothing
    return type(pooled)(path + nothing for path in pooled)


def _has_area(boxes: Tensor) -> Tensor:
    """Mask of boxes (N, 4) xyxy with positive width and height."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
