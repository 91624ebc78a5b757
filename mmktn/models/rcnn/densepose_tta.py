"""Test-time augmentation of dense pose: flips, scales and turns, averaged before decoding.

Source: `DensePoseGeneralizedRCNNWithTTA` of detectron2 (boxes of all views through NMS, charts of
the merged boxes averaged over the views; turned views say nothing on boxes, since the upright box
around a turned one is too large). Departures: segmentations are averaged as probabilities, turned
maps are read on the cells of the box instead of pasted and cut, and mirrored maps are not moved by
a cell. Training ties cell i to position i / w, decoding to (i + 0.5) / w; between a view and its
mirror image these half cells cancel, and mirroring an image mirrors the result.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models import DetTTAModel
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox2roi, bbox_flip, scale_boxes
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.heads.densepose_head import DensePoseHead, cat_results
from mmktn.models.postprocess.map_averaging import average_views, turn_back
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput
from mmktn.structures.crop_grid import upright_box

HeadMaps = list[tuple[DensePoseHead, ChartOutput]]
"""Heads that decode, each with its maps of some boxes."""


@MODELS.register_module()
class DensePoseTTA(DetTTAModel):
    """Boxes of all views merged by NMS; their charts decoded once, from maps averaged over views.

    `python -m mmktn test --tta` builds it around a model (`tta_model`, `tta_pipeline`). Other
    systems with a `DensePoseHead` override `detect` and `box_maps`. Masks of a mask head are left
    out.

    Args:
        tta_cfg: `nms` (of mmcv's batched_nms) and `max_per_img` for the merged boxes.
        surface: Surface whose UV symmetry tables turn mirrored views back; only read if there are.
            None for models without charts.
        **kwargs: `module` and `data_preprocessor` of `mmengine.model.BaseTTAModel`.

    Reference:
        DensePose's symmetry tables; `GeneralizedRCNNWithTTA` of detectron2.
    """

    def __init__(
        self,
        tta_cfg: dict,
        surface: str | None = "human",
        **kwargs,  # noqa: ANN003  # the host's own arguments, handed through
    ) -> None:
        super().__init__(tta_cfg=ConfigDict(tta_cfg), **kwargs)
        self.surface = surface

    @torch.no_grad()
    def test_step(self, data: dict[str, list]) -> SampleList:
        """Predict a batch.

        Args:
            data: `inputs` and `data_samples` as `TestTimeAug` packs them: first axis the views,
                second the images.

        Returns:
            For each image its first view's sample, in which `pred_instances` holds `bboxes`,
            `scores`, `labels` and what the heads decode (`densepose`, ...), in pixels of the
            original, unmirrored image.

        Raises:
            KeyError: A sample does not say whether it was flipped (`meta_keys` of the pipeline).
            ValueError: Every view is turned (`TurnView`), so that there are no boxes.
        """
        count = len(data["inputs"])
        views = [self.detect({key: data[key][view] for key in data}) for view in range(count)]
        samples = [list(images) for images in zip(*(found for _, found in views), strict=True)]
        for image in samples:
            _check_metas(image)
        merged = self.merge_preds([_upright(image) for image in samples])
        features = [found for found, _ in views]
        for index, (sample, metas) in enumerate(
            zip(merged, ([s.metainfo for s in image] for image in samples), strict=True)
        ):
            self._add_maps(sample.pred_instances, features, metas, index)
            sample.pred_instances = self.module.roi_head.distinct(sample.pred_instances)
        return merged

    def detect(self, batch: dict[str, list]) -> tuple[Any, list[DetDataSample]]:
        """Find the boxes of one view of every image.

        Args:
            batch: `inputs` and `data_samples` of the view.

        Returns:
            Features that `box_maps` reads, and the samples with boxes in pixels of the original
            size, still mirrored where the view is.
        """
        module = self.module
        batch = module.data_preprocessor(batch, False)
        samples = batch["data_samples"]
        x = module.extract_feat(batch["inputs"])
        proposals = module.rpn_head.predict(x, samples, rescale=False)
        head = module.roi_head
        metas = [sample.metainfo for sample in samples]
        results = head.predict_bbox(x, metas, proposals, head.test_cfg, rescale=True)
        for sample, found in zip(samples, results, strict=True):
            sample.pred_instances = found
        return head._branch_features(x), samples

    def box_maps(self, features: Any, index: int, boxes_xyxy: Tensor) -> HeadMaps:
        """Return the raw maps of boxes.

        Args:
            features: Of `detect`.
            index: Image in the batch.
            boxes_xyxy: (N, 4) in pixels of the view's network input.

        Returns:
            Heads and maps; every view gives the same heads in the same order.
        """
        rois = bbox2roi([boxes_xyxy])
        rois[:, 0] = index
        roi_head = self.module.roi_head
        heads = [h for h in (roi_head.densepose_head, roi_head.keypoint_head) if h is not None]
        return list(zip(heads, roi_head._branch_maps(features, rois), strict=True))

    def _merge_single_sample(self, data_samples: list[DetDataSample]) -> DetDataSample:
        """Merge the boxes of the views of an image; clipped, and only those with area."""
        merged = super()._merge_single_sample(data_samples)
        found = merged.pred_instances
        height, width = merged.metainfo["ori_shape"][:2]
        limit = found.bboxes.new_tensor([width, height, width, height])
        boxes = torch.minimum(found.bboxes.clamp(min=0), limit)
        keep = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        merged.pred_instances = InstanceData(
            bboxes=boxes[keep], scores=found.scores[keep], labels=found.labels[keep]
        )
        return merged

    def _add_maps(
        self, instances: InstanceData, features: list[Any], metas: list[dict], index: int
    ) -> None:
        """Decode the merged boxes of an image from all its views, a few boxes at a time."""
        boxes = instances.bboxes
        # No boxes: one empty chunk tells which fields there are.
        step = self.module.roi_head.densepose_head.chunk_size
        parts = [slice(start, start + step) for start in range(0, max(len(boxes), 1), step)]
        results = [
            self._decode(boxes[part], instances.labels[part], features, metas, index)
            for part in parts
        ]
        for name, values in cat_results(results).items():
            setattr(instances, name, values)

    def _decode(
        self,
        boxes: Tensor,
        labels: Tensor,
        features: list[Any],
        metas: list[dict],
        index: int,
    ) -> dict[str, Any]:
        """Return the fields of the boxes of one chunk."""
        views = [
            self._view_maps(view, index, boxes, meta)
            for view, meta in zip(features, metas, strict=True)
        ]
        found: dict[str, Any] = {}
        for number, (head, _) in enumerate(views[0]):
            if not len(boxes):
                found |= head.no_results(boxes)
                continue
            mean = average_views(
                [view[number][1] for view in views],
                mirrored=[meta["flip"] for meta in metas],
                rules=lambda: surface_flip_rules(self.surface),
            )
            found |= head.decode(mean, boxes, labels=labels)
        return found

    def _view_maps(self, features: Any, index: int, boxes: Tensor, meta: dict) -> HeadMaps:
        """Return the maps of boxes in one view, mirrored where it is, not turned."""
        boxes = _to_view(boxes, meta)
        if "view_matrix" not in meta:
            return self.box_maps(features, index, boxes)
        matrix = torch.as_tensor(meta["view_matrix"]).to(boxes.device)
        turned = upright_box(boxes, matrix).to(boxes.dtype)
        return [
            (head, turn_back(maps, boxes, turned, matrix))
            for head, maps in self.box_maps(features, index, turned)
        ]


def _upright(samples: list[DetDataSample]) -> list[DetDataSample]:
    """Return the views of an image whose boxes count."""
    upright = [sample for sample in samples if "view_matrix" not in sample.metainfo]
    if not upright:
        raise ValueError(
            "tta_pipeline: every view is turned, and turned views give no boxes; add one with "
            "TurnView(angle=0)"
        )
    return upright


def _to_view(boxes: Tensor, meta: dict) -> Tensor:
    """Boxes of the original image -> pixels of a view's network input, before it is turned."""
    if meta["flip"]:
        boxes = bbox_flip(boxes, meta["ori_shape"], meta["flip_direction"])
    return scale_boxes(boxes.clone(), list(meta["scale_factor"]))


def _check_metas(samples: list[DetDataSample]) -> None:
    """See that each view says what was done to it.

    Raises:
        KeyError: A key is missing.
        ValueError: A flip that is not horizontal.
    """
    for sample in samples:
        for key in ("flip", "scale_factor", "ori_shape"):
            if key not in sample.metainfo:
                raise KeyError(f"tta_pipeline: meta_keys of PackDensePoseInputs lack {key!r}")
        if sample.flip and sample.metainfo.get("flip_direction") != "horizontal":
            raise ValueError(
                f"tta_pipeline: flip_direction {sample.metainfo.get('flip_direction')!r}; charts "
                "have tables for horizontal flips only"
            )
