"""Framework-neutral dense-pose head: trunk and predictor, with losses and decoding.

It never learns where a box came from: `models/rcnn` passes RoIs of mmdet and the weights of the box
head, `models/topdown` passes crops. Corresponds to `densepose_head` and `densepose_predictor` of
detectron2 and KTN. With a predictor that makes no charts it is the branch of a single task: body,
parts or keypoints (DensePose, section 3.3).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmktn.models.targets import build_chart_targets
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResults, DensePoseAnnotations, declared_map


@MODELS.register_module()
class DensePoseHead(BaseModule):
    """Pooled features -> chart maps, losses and decoded charts.

    Args:
        trunk: Config of a trunk (`ConvTrunk`, `DeepLabTrunk`, `KTNTrunk`, `GCETrunk`).
        predictor: Config of a predictor; its `in_channels` has to be the trunk's `channels`.
        loss: Config of the loss, `ChartLoss` by default.
        decoder: Config of the decoder of charts, `ChartDecoder` by default; ignored by predictors
            that make none.
        task_decoders: Configs of decoders of other results: `SegmentationDecoder`,
            `KeypointDecoder`, `VertexDecoder`.
        embedder: Config of the `SurfaceEmbedder`, for predictors that make the map `embedding`.
        embedding_loss: Config of its losses, `EmbeddingLoss` by default.
        chunk_size: Boxes that go through the branch at a time at inference; bounds memory, changes
            nothing else.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: The predictor does not fit the trunk, or does not predict a map that a decoder
            reads or that another map needs.
    """

    def __init__(
        self,
        trunk: dict,
        predictor: dict,
        *,
        loss: dict | None = None,
        decoder: dict | None = None,
        task_decoders: Sequence[dict] = (),
        embedder: dict | None = None,
        embedding_loss: dict | None = None,
        chunk_size: int = 10,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.trunk = MODELS.build(trunk)
        self.predictor = MODELS.build(predictor)
        self.chart_loss = MODELS.build(loss or {"type": "mmktn.ChartLoss"})
        self.decoder = (
            MODELS.build(decoder or {"type": "mmktn.ChartDecoder"})
            if "fine_segm" in self.predictor.field_names
            else None
        )
        self.task_decoders = [MODELS.build(config) for config in task_decoders]
        self.embedder = None if embedder is None else MODELS.build(embedder)
        self.embedding_loss = (
            None
            if embedder is None
            else MODELS.build(embedding_loss or {"type": "mmktn.EmbeddingLoss"})
        )
        self._check_embedding()
        self.chunk_size = chunk_size
        # Numbers to which boxes are padded at inference; none but for compiled parts, which are
        # compiled for each number (mmktn/engine/compiled_parts.py).
        self.box_counts: Sequence[int] = ()
        if self.predictor.in_channels != self.trunk.out_channels:
            raise ValueError(
                f"predictor.in_channels={self.predictor.in_channels} but the trunk has "
                f"{self.trunk.out_channels} channels"
            )
        for name in self.predictor.field_names:
            self._check_made(declared_map(name).needs, f"the map {name!r} needs")
        if self.decoder is not None:
            self._check_fields(self.decoder, f"decoder.mask_source={self.decoder.mask_source!r}")
        for task_decoder in self.task_decoders:
            self._check_fields(task_decoder, f"task_decoders: {type(task_decoder).__name__}")

    def _check_embedding(self) -> None:
        made = self.predictor.field_names
        if ("embedding" in made) != (self.embedder is not None):
            raise ValueError(
                "the map 'embedding' and the head's embedder go together: give both or neither"
            )
        if self.embedder is not None:
            channels = self.predictor.map_layers["embedding"].out_channels
            if channels != self.embedder.dim:
                raise ValueError(
                    f"the map 'embedding' has {channels} channels, embedder.dim={self.embedder.dim}"
                )
        for task_decoder in self.task_decoders:
            if hasattr(task_decoder, "bind"):
                task_decoder.bind(self.embedder)

    def _check_fields(self, decoder: Any, name: str) -> None:
        self._check_made(decoder.fields, f"{name} reads")

    def _check_made(self, names: Collection[str], who: str) -> None:
        absent = set(names) - set(self.predictor.field_names)
        if absent:
            raise ValueError(
                f"{who} {sorted(absent)}, which this predictor does not make "
                f"({list(self.predictor.field_names)})"
            )

    @property
    def decoded_fields(self) -> tuple[str, ...]:
        """Maps that decoding reads; the others are not made at inference."""
        names = [name for decoder in self.task_decoders for name in decoder.fields]
        if self.decoder is not None:
            shown = [name for name in self.predictor.field_names if declared_map(name).field]
            names = [*self.decoder.fields, *shown, *names]
        return tuple(dict.fromkeys(names))

    @property
    def gives_confidence(self) -> bool:
        """Whether results have a confidence of every pixel."""
        return self.decoder is not None and (
            "sigma_2" in self.predictor.field_names or self.decoder.chart_confidence
        )

    @property
    def _learns_masks(self) -> bool:
        return bool(getattr(self.chart_loss, "coarse_from_masks", False))

    @property
    def needs_masks(self) -> bool:
        """Whether the losses read the persons' instance masks."""
        return self._learns_masks or (
            self.embedding_loss is not None and self.embedding_loss.needs_masks
        )

    def supervised(self, annotations: DensePoseAnnotations) -> Tensor:
        """Say which persons carry a label of this head.

        Args:
            annotations: N persons.

        Returns:
            (N,) bool, on the CPU: dense pose, or a labelled keypoint if the head has keypoints
            alone; all of them where their masks are labels.
        """
        if self._learns_masks:
            return torch.ones(len(annotations), dtype=torch.bool)
        wanted = {declared_map(name).supervision for name in self.predictor.field_names}
        return annotations.valid if "densepose" in wanted else annotations.with_keypoints

    def forward(
        self,
        x: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
        *,
        fields: Collection[str] | None = None,
    ) -> ChartOutput:
        """Predict all maps.

        Args:
            x: (N, C, h, w) features of N boxes; N may be 0.
            box_weights: `cls` (2, D) and `reg` (4, D) of the box head, read by KTM version 2; no
                gradient reaches them.
            fields: Maps to make; None: all.

        Returns:
            Maps (N, ..., 4 h, 4 w) with the default predictor.
        """
        count = _count(x)
        size = min((n for n in self.box_counts if n >= count), default=count)
        if count == 0 or size == count or torch.is_grad_enabled():
            return self.predictor(self.trunk(x), box_weights, fields=fields)
        # No row of the maps depends on another one.
        return self.predictor(self.trunk(_padded(x, size)), box_weights, fields=fields)[:count]

    def loss_by_feat(
        self,
        output: ChartOutput,
        rois_xyxy: Tensor,
        gt_boxes_xyxy: Tensor,
        annotations: DensePoseAnnotations,
        *,
        num_images: int | None = None,
        roi_masks: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            output: Maps of N boxes.
            rois_xyxy: (N, 4) these boxes, network-input pixels.
            gt_boxes_xyxy: (N, 4) the person matched to each.
            annotations: That person's annotation.
            num_images: Images on this GPU, for `ChartLoss.uv_reference_images`.
            roi_masks: (N, h, w) bool, the person's mask on the cells of its box, where
                `needs_masks`.

        Returns:
            Losses by name, see `ChartLoss` and `EmbeddingLoss`; zeros connected to every map if N
            is 0.
        """
        targets = build_chart_targets(rois_xyxy, gt_boxes_xyxy, annotations, roi_masks=roi_masks)
        losses = self.chart_loss(output, targets, num_images=num_images)
        if self.embedding_loss is not None:
            losses |= self.embedding_loss(output, targets, self.embedder)
        return losses

    def predict_by_feat(
        self, output: ChartOutput, boxes_xyxy: Tensor, *, windows_xyxy: Tensor | None = None
    ) -> ChartResults:
        """Decode charts of N boxes (N, 4), given in the pixels the results shall have.

        `windows_xyxy` (N, 4): what the maps cover, where it is more than the boxes.
        """
        return cast("Any", self.decoder).decode(output, boxes_xyxy, windows_xyxy=windows_xyxy)

    def decode(
        self,
        output: ChartOutput,
        boxes_xyxy: Tensor,
        *,
        windows_xyxy: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> dict[str, Any]:
        """Decode everything that has a decoder.

        Args:
            output: Maps of N boxes.
            boxes_xyxy: (N, 4) in the pixels the results shall have.
            windows_xyxy: (N, 4) what the maps cover, in the same pixels: the crops of a top-down
                system. None: the boxes.
            labels: (N,) categories, for models of several meshes.

        Returns:
            Field of `pred_instances` -> N results: `densepose` and what the task decoders make.
        """
        found: dict[str, Any] = {}
        if self.decoder is not None:
            found["densepose"] = self.predict_by_feat(output, boxes_xyxy, windows_xyxy=windows_xyxy)
        for task_decoder in self.task_decoders:
            options: dict[str, Any] = {"windows_xyxy": windows_xyxy}
            if hasattr(task_decoder, "bind"):
                options["labels"] = labels
            found |= task_decoder.decode(output, boxes_xyxy, **options)
        return found

    def no_results(self, boxes_xyxy: Tensor) -> dict[str, Any]:
        """Give the fields of `decode` for no boxes (0, 4)."""
        found: dict[str, Any] = {} if self.decoder is None else {"densepose": ChartResults()}
        for task_decoder in self.task_decoders:
            found |= task_decoder.no_results(boxes_xyxy)
        return found

    def predict(
        self,
        features: Tensor | Callable[[slice], Tensor],
        boxes_xyxy: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
    ) -> ChartResults:
        """Predict and decode the charts of N boxes; see `predict_instances`."""
        return self.predict_instances(features, boxes_xyxy, box_weights)["densepose"]

    @torch.no_grad()
    def predict_instances(
        self,
        features: Tensor | Callable[[slice], Tensor],
        boxes_xyxy: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
        *,
        labels: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict and decode N boxes, `chunk_size` at a time; makes only maps that are decoded.

        Args:
            features: (N, C, h, w), or a function that pools the boxes of a slice.
            boxes_xyxy: (N, 4) in the pixels the results shall have.
            box_weights: As in `forward`.
            labels: (N,) categories, for models of several meshes.

        Returns:
            Field of `pred_instances` -> N results.
        """
        results = [self.no_results(boxes_xyxy[:0])]
        for part in self.chunks(len(boxes_xyxy)):
            x = features(part) if callable(features) else features[part]
            maps = self(x, box_weights, fields=self.decoded_fields)
            of_part = None if labels is None else labels[part]
            results.append(self.decode(maps, boxes_xyxy[part], labels=of_part))
        return cat_results(results)

    def chunks(self, count: int) -> list[slice]:
        """Cut `count` boxes into slices of `chunk_size`."""
        return [slice(start, start + self.chunk_size) for start in range(0, count, self.chunk_size)]

    def fold(self, box_weights: Mapping[str, Tensor] | None = None) -> None:
        """Replace a KTM by the kernel it generates, in place; other predictors stay as they are.

        Args:
            box_weights: As in `forward`.
        """
        fold = getattr(self.predictor, "fold", None)
        if fold is not None:
            fold(box_weights)


def _count(x: Tensor | tuple[Tensor, ...]) -> int:
    """Number of boxes of features, or of features of several paths."""
    return len(x) if isinstance(x, Tensor) else len(x[0])


def _padded(x: Any, size: int) -> Any:
    """Return the features of `size` boxes, the last ones zero."""
    if not isinstance(x, Tensor):
        return type(x)(_padded(path, size) for path in x)
    return torch.cat([x, x.new_zeros((size - len(x), *x.shape[1:]))])


def cat_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join results of `DensePoseHead.decode` (tensors and containers) field by field."""
    return {
        name: torch.cat([part[name] for part in results])
        if isinstance(first, Tensor)
        else first.cat([part[name] for part in results])
        for name, first in results[0].items()
    }
