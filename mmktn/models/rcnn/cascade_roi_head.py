"""Cross-cascade of DensePose R-CNN: two stages that see each other's tasks.

Guler et al., DensePose, CVPR 2018, section 3.3, figure 7; layers and weights are chosen here; the
paper gives none. The tasks are chosen by which heads are configured: without a mask and a keypoint
head it is DensePose-ST.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.utils import ConfigType, InstanceList
from torch import Tensor, nn

from mmktn.models.heads.densepose_head import DensePoseHead, cat_results
from mmktn.models.rcnn.densepose_roi_head import DensePoseRoIHead, Features
from mmktn.models.rcnn.matched_rois import MatchedRoIs, matched_rois
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput


@dataclass
class StageHeads:
    """Heads of one stage; None where the cascade does not have the task."""

    densepose: DensePoseHead
    mask: nn.Module | None
    keypoint: DensePoseHead | None


@dataclass
class StageMaps:
    """Maps of N RoIs from one stage, as far as it has the tasks."""

    charts: ChartOutput
    mask_logits: Tensor | None
    keypoints: ChartOutput | None


@dataclass
class _LossInputs:
    """What the losses of both stages share: the RoIs, and which of them have which labels."""

    matched: MatchedRoIs
    with_charts: Tensor
    with_keypoints: Tensor
    samplings: list[SamplingResult]
    gt_instances: InstanceList


@MODELS.register_module()
class CascadeDensePoseRoIHead(DensePoseRoIHead):
    """Two-stage DensePose branch, with masks and keypoints as configured.

    All branches of the first stage read the features F0 that the DensePose branch pools; the fusion
    unit adds their predictions to F0; branches of the same shape, with weights of their own, read
    the sum. Both stages are supervised (losses `s1.*` and `s2.*`, equal weights); the second one
    gives the results.

    Args:
        fusion: The `CrossTaskFusion`.
        densepose_head: Head of both stages.
        mask_head: mmdet's mask head of both stages; None: no masks.
        keypoint_head: Keypoint head of both stages; None: no keypoints.

    Raises:
        ValueError: A branch brings its own RoI extractor.
    """

    def __init__(
        self,
        *args,  # noqa: ANN002  # the host's own arguments, handed through
        fusion: ConfigType,
        densepose_head: ConfigType,
        mask_head: ConfigType | None = None,
        keypoint_head: ConfigType | None = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        own = [k for k in ("mask_roi_extractor", "keypoint_roi_extractor") if kwargs.get(k)]
        if own:
            raise ValueError(f"{own} must be None: all branches of the cascade pool the same RoIs")
        super().__init__(
            *args,
            densepose_head=densepose_head,
            mask_head=mask_head,
            keypoint_head=keypoint_head,
            **kwargs,
        )
        self.fusion = MODELS.build(fusion)
        self.refined_mask_head = MODELS.build(mask_head) if mask_head else None
        self.refined_keypoint_head = MODELS.build(keypoint_head) if keypoint_head else None
        self.refined_densepose_head = MODELS.build(densepose_head)

    @property
    def stages(self) -> tuple[StageHeads, StageHeads]:
        """Heads of the first and of the second stage."""
        mask_head = self.mask_head if self.with_mask else None
        return (
            StageHeads(self.densepose_head, mask_head, self.keypoint_head),
            StageHeads(
                self.refined_densepose_head, self.refined_mask_head, self.refined_keypoint_head
            ),
        )

    def branch_losses(
        self,
        x: tuple[Tensor, ...],
        samplings: list[SamplingResult],
        gt_instances: InstanceList,
        bbox_feats: Tensor,
    ) -> dict[str, Tensor]:
        """Compute losses of both stages on each image's sampled boxes; keys begin with the stage.

        Raises:
            KeyError: An image's `gt_instances` has no `densepose`.
        """
        inputs = self._loss_inputs(samplings, gt_instances)
        losses: dict[str, Tensor] = {}
        maps = self._run(self._pool(self._branch_features(x), inputs.matched.rois))
        for number, (heads, stage) in enumerate(zip(self.stages, maps, strict=True), start=1):
            for name, value in self._stage_losses(heads, stage, inputs).items():
                losses[f"s{number}.{name}"] = value
        return losses

    def _loss_inputs(
        self, samplings: list[SamplingResult], gt_instances: InstanceList
    ) -> _LossInputs:
        """Choose boxes that any branch learns from; masks learn from all positive samples."""
        charts = self._supervised(samplings, gt_instances, self.densepose_head)
        keypoints = [torch.zeros_like(mask) for mask in charts]
        if self.keypoint_head is not None:
            keypoints = self._supervised(samplings, gt_instances, self.keypoint_head)
        used = [c | k | self.with_mask for c, k in zip(charts, keypoints, strict=True)]
        chosen = torch.cat(used)
        return _LossInputs(
            matched_rois(samplings, gt_instances, used),
            torch.cat(charts)[chosen],
            torch.cat(keypoints)[chosen],
            samplings,
            gt_instances,
        )

    def _stage_losses(
        self, heads: StageHeads, maps: StageMaps, inputs: _LossInputs
    ) -> dict[str, Tensor]:
        """Compute the losses of one stage."""
        keep = inputs.with_charts
        losses = inputs.matched[keep].loss(heads.densepose, maps.charts[keep])
        if heads.keypoint is not None and maps.keypoints is not None:
            keep = inputs.with_keypoints
            losses |= inputs.matched[keep].loss(heads.keypoint, maps.keypoints[keep])
        if heads.mask is not None:
            found = heads.mask.loss_and_target(
                mask_preds=maps.mask_logits,
                sampling_results=inputs.samplings,
                batch_gt_instances=inputs.gt_instances,
                rcnn_train_cfg=self.train_cfg,
            )
            losses |= found["loss_mask"]
        return losses

    def _run(self, pooled: Tensor, *, decoded_only: bool = False) -> tuple[StageMaps, StageMaps]:
        """Return both stages on pooled features (N, C, h, w).

        Args:
            pooled: F0.
            decoded_only: Make only those maps of the second stage that are decoded.

        Returns:
            Maps of the first and of the second stage.
        """
        first_heads, second_heads = self.stages
        first = self._run_stage(first_heads, pooled)
        refined = self.fusion(
            pooled,
            first.charts,
            mask_logits=first.mask_logits,
            keypoint_heatmaps=None
            if first.keypoints is None
            else first.keypoints["keypoint_heatmaps"],
        )
        return first, self._run_stage(second_heads, refined, decoded_only=decoded_only)

    def _run_stage(self, heads: StageHeads, x: Tensor, *, decoded_only: bool = False) -> StageMaps:
        fields = heads.densepose.decoded_fields if decoded_only else None
        return StageMaps(
            heads.densepose(x, self._box_weights(), fields=fields),
            None if heads.mask is None else heads.mask(x),
            None if heads.keypoint is None else heads.keypoint(x),
        )

    def _branch_maps(self, features: Features, rois: Tensor) -> tuple[ChartOutput, ...]:
        """Return the maps of the second stage: charts and, if there are any, keypoints."""
        _, second = self._run(self._pool(features, rois))
        return (second.charts,) if second.keypoints is None else (second.charts, second.keypoints)

    @torch.no_grad()
    def _predict_instances(
        self,
        features: Features,
        rois: Tensor,
        boxes_xyxy: Tensor,
        labels: Tensor | None = None,
    ) -> dict[str, Any]:
        """Second-stage results of N RoIs (N, 5) of one image; both stages run chunk by chunk."""
        heads = self.stages[1]
        found = heads.densepose.no_results(boxes_xyxy[:0])
        if heads.keypoint is not None:
            found |= heads.keypoint.no_results(boxes_xyxy[:0])
        results = [found]
        for part in heads.densepose.chunks(len(rois)):
            _, maps = self._run(self._pool(features, rois[part]), decoded_only=True)
            of_part = None if labels is None else labels[part]
            found = heads.densepose.decode(maps.charts, boxes_xyxy[part], labels=of_part)
            if heads.keypoint is not None and maps.keypoints is not None:
                found |= heads.keypoint.decode(maps.keypoints, boxes_xyxy[part])
            if maps.mask_logits is not None:
                found["mask_logits"] = maps.mask_logits
            results.append(found)
        # The empty result has no mask logits: it only says which fields there are without RoIs.
        return cat_results(results[1:] or results)
