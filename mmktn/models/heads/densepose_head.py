"""Framework-neutral dense-pose head: trunk and predictor, with losses and decoding.

It never learns where a box came from: `models/rcnn` passes RoIs of mmdet and the weights of the box
head, `models/topdown` passes crops. Corresponds to `densepose_head` and `densepose_predictor` of
detectron2 and KTN (methods 1.2, 6.4, 8.1).
"""

from collections.abc import Callable, Mapping

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmktn.models.targets import build_chart_targets
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResults, DensePoseAnnotations


@MODELS.register_module()
class DensePoseHead(BaseModule):
    """Pooled features -> chart maps, losses and decoded charts.

    Args:
        trunk: Config of a trunk (`ConvTrunk`, `DeepLabTrunk`, `KTNTrunk`, `GCETrunk`).
        predictor: Config of a predictor; its `in_channels` has to be the trunk's `channels`.
        loss: Config of the loss, `ChartLoss` by default.
        decoder: Config of the decoder, `ChartDecoder` by default.
        chunk_size: Boxes that go through the branch at a time at inference; bounds memory, changes
            nothing else.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: The predictor does not fit the trunk, or does not predict the map that decides
            on the body.
    """

    def __init__(
        self,
        trunk: dict,
        predictor: dict,
        *,
        loss: dict | None = None,
        decoder: dict | None = None,
        chunk_size: int = 10,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.trunk = MODELS.build(trunk)
        self.predictor = MODELS.build(predictor)
        self.chart_loss = MODELS.build(loss or {"type": "mmktn.ChartLoss"})
        self.decoder = MODELS.build(decoder or {"type": "mmktn.ChartDecoder"})
        self.chunk_size = chunk_size
        if self.predictor.in_channels != self.trunk.out_channels:
            raise ValueError(
                f"predictor.in_channels={self.predictor.in_channels} but the trunk has "
                f"{self.trunk.out_channels} channels"
            )
        absent = set(self.decoder.fields) - set(self.predictor.field_names)
        if absent:
            raise ValueError(
                f"decoder.mask_source={self.decoder.mask_source!r} reads {sorted(absent)}, which "
                f"this predictor does not make ({list(self.predictor.field_names)})"
            )

    def forward(self, x: Tensor, box_weights: Mapping[str, Tensor] | None = None) -> ChartOutput:
        """Predict all maps.

        Args:
            x: (N, C, h, w) features of N boxes; N may be 0.
            box_weights: `cls` (2, D) and `reg` (4, D) of the box head, read by KTM version 2; no
                gradient reaches them.

        Returns:
            Maps (N, ..., 4 h, 4 w) with the default predictor.
        """
        return self.predictor(self.trunk(x), box_weights)

    def loss_by_feat(
        self,
        output: ChartOutput,
        rois_xyxy: Tensor,
        gt_boxes_xyxy: Tensor,
        annotations: DensePoseAnnotations,
        *,
        num_images: int | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            output: Maps of N boxes.
            rois_xyxy: (N, 4) these boxes, network-input pixels.
            gt_boxes_xyxy: (N, 4) the person matched to each.
            annotations: That person's annotation.
            num_images: Images on this GPU, for `ChartLoss.uv_reference_images`.

        Returns:
            Losses by name, see `ChartLoss`; zeros connected to every map if N is 0.
        """
        targets = build_chart_targets(rois_xyxy, gt_boxes_xyxy, annotations)
        return self.chart_loss(output, targets, num_images=num_images)

    def predict_by_feat(self, output: ChartOutput, boxes_xyxy: Tensor) -> ChartResults:
        """Decode maps of N boxes (N, 4), given in the pixels the results shall have."""
        return self.decoder.decode(output, boxes_xyxy)

    @torch.no_grad()
    def predict(
        self,
        features: Tensor | Callable[[slice], Tensor],
        boxes_xyxy: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
    ) -> ChartResults:
        """Predict and decode N boxes, `chunk_size` at a time; makes only maps that are decoded.

        Args:
            features: (N, C, h, w), or a function that pools the boxes of a slice.
            boxes_xyxy: (N, 4) in the pixels the results shall have.
            box_weights: As in `forward`.

        Returns:
            N results.
        """
        results = [ChartResults()]
        for start in range(0, len(boxes_xyxy), self.chunk_size):
            part = slice(start, start + self.chunk_size)
            x = features(part) if callable(features) else features[part]
            maps = self.predictor(self.trunk(x), box_weights, fields=self.decoder.fields)
            results.append(self.predict_by_feat(maps, boxes_xyxy[part]))
        return ChartResults.cat(results)

    def fold(self, box_weights: Mapping[str, Tensor] | None = None) -> None:
        """Replace a KTM by the kernel it generates, in place; other predictors stay as they are.

        Args:
            box_weights: As in `forward`.
        """
        fold = getattr(self.predictor, "fold", None)
        if fold is not None:
            fold(box_weights)
