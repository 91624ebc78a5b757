"""Adapter between mmpose's top-down estimators and the framework-neutral `DensePoseHead`.

A crop is to a top-down system what a RoI is to a region-based one: the branch learns from the same
targets with the whole crop as RoI, and the maps of the crop are decoded inside the person's box.
Everything about charts happens in `DensePoseHead`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.heads.densepose_head import DensePoseHead, cat_results
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, DensePoseAnnotations
from mmktn.structures.crop_grid import crop_window


@MODELS.register_module()
class TopdownDensePoseHead(BaseHead):
    """Dense pose of one person per crop.

    Args:
        densepose_head: The `DensePoseHead`; its predictor may not read a box head.
        surface: Surface whose symmetry tables the flip test needs: 'human', or the path of a
            surface file or folder. Opened when the first flip test runs.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        KTN slides, generalisability of KTM: SimpleBaseline and HRNet, fully convolutional.
    """

    def __init__(
        self, densepose_head: dict, *, surface: str | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.densepose_head: DensePoseHead = MODELS.build(densepose_head)
        self.surface = surface

    def forward(self, feats: Sequence[Tensor]) -> ChartOutput | dict[str, Tensor]:
        """Predict all maps.

        Args:
            feats: Maps of the backbone or neck; the last one is used.

        Returns:
            The maps, while `torch.jit` traces as a dict.
        """
        return self.densepose_head(feats[-1]).traceable()

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: list[PoseDataSample],
        train_cfg: Mapping[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of B crops.

        Args:
            feats: Maps of the backbone or neck.
            batch_data_samples: Samples whose `gt_instances` carry `densepose` and `crop_bboxes`,
                and whose meta information has `input_size`.
            train_cfg: Not used.

        Returns:
            Losses by name, see `ChartLoss`. U and V are sums over the points of all crops: here
            `uv_reference_images` counts crops.

        Raises:
            KeyError: The ground truth is missing.
        """
        output = self.densepose_head(feats[-1])
        device = feats[-1].device
        truth = [_truth_of(sample) for sample in batch_data_samples]
        sizes = [sample.metainfo["input_size"] for sample in batch_data_samples]
        return self.densepose_head.loss_by_feat(
            output,
            torch.tensor([(0.0, 0.0, w, h) for w, h in sizes], device=device),
            torch.cat([torch.as_tensor(item.crop_bboxes, device=device) for item in truth]),
            DensePoseAnnotations.cat([item.densepose for item in truth]).to(device),
            num_images=len(truth),
        )

    @torch.no_grad()
    def predict(
        self,
        feats: Sequence[Tensor] | Sequence[Sequence[Tensor]],
        batch_data_samples: list[PoseDataSample],
        test_cfg: Mapping[str, Any] | None = None,
    ) -> list[InstanceData]:
        """Decode the charts of B persons in their boxes.

        Args:
            feats: Maps of the backbone or neck; with `flip_test` those of the crop and those of the
                mirrored crop.
            batch_data_samples: Samples with `gt_instances.bboxes` (1, 4), `.bbox_scores` and the
                crop's `input_center`, `input_scale` and `ori_shape`.
            test_cfg: `flip_test` averages with the mirrored crop, U and V going through the
                surface's symmetry tables.

        Returns:
            For each sample `bboxes` (1, 4) clipped to the image, `scores`, `bbox_scores`, `labels`
            and `densepose` (`ChartResults`), in image pixels.

        Raises:
            ValueError: `flip_test` without `surface`, or a box outside its image.
        """
        flip_test = bool((test_cfg or {}).get("flip_test", False))
        crops, mirrored = feats if flip_test else (feats, None)
        x, other = crops[-1], None if mirrored is None else mirrored[-1]
        boxes = torch.cat([_box_of(sample) for sample in batch_data_samples]).to(x.device)
        windows = torch.cat([_window_of(sample) for sample in batch_data_samples]).to(x.device)
        head = self.densepose_head
        found = [head.no_results(boxes[:0])]
        for part in head.chunks(len(boxes)):
            maps = head(x[part], fields=head.decoded_fields)
            if other is not None:
                maps = self._mean(maps, head(other[part], fields=head.decoded_fields))
            found.append(head.decode(maps, boxes[part], windows_xyxy=windows[part]))
        fields = cat_results(found)
        return [
            _instances(sample, boxes[i : i + 1], {k: v[i : i + 1] for k, v in fields.items()})
            for i, sample in enumerate(batch_data_samples)
        ]

    def fold(self) -> None:
        """Replace a KTM by the kernel it generates, in place."""
        self.densepose_head.fold()

    def _mean(self, maps: ChartOutput, mirrored: ChartOutput) -> ChartOutput:
        """Average maps of a crop with those of its mirror image, as `DensePoseTTA` does.

        Raises:
            ValueError: There is no surface.
        """
        if self.surface is None:
            raise ValueError(
                "flip_test=True needs head.surface, whose symmetry tables mirror U and V; set it "
                "to the surface of the annotations, or flip_test=False"
            )
        surface = self.surface
        return average_views(
            [maps, mirrored], mirrored=[False, True], rules=lambda: surface_flip_rules(surface)
        )


def _truth_of(sample: PoseDataSample) -> InstanceData:
    """Return the ground truth of a crop.

    Raises:
        KeyError: It was not loaded.
    """
    truth = sample.gt_instances
    for name in ("densepose", "crop_bboxes"):
        if name not in truth:
            raise KeyError(
                f"gt_instances has no {name!r}: the training pipeline needs "
                "mmktn.LoadDensePoseAnnotations, mmktn.TopdownDensePoseAffine and "
                "mmktn.PackTopdownDensePose"
            )
    return truth


def _box_of(sample: PoseDataSample) -> Tensor:
    """Return the given box (1, 4), clipped to the image.

    Raises:
        ValueError: Nothing is left of it.
    """
    given = torch.as_tensor(sample.gt_instances.bboxes, dtype=torch.float32)
    height, width = sample.metainfo["ori_shape"][:2]
    box = torch.minimum(given.clamp(min=0), given.new_tensor([width, height, width, height]))
    if bool((box[:, 2:] <= box[:, :2]).any()):
        raise ValueError(
            f"image {sample.metainfo.get('img_id')}: box {given[0].tolist()} (x1, y1, x2, y2) has "
            f"no area inside its image of {width} x {height} pixels"
        )
    return box


def _window_of(sample: PoseDataSample) -> Tensor:
    """Return the part of the image (1, 4) that the crop shows."""
    meta = sample.metainfo
    pair = (torch.as_tensor(meta[key]).double() for key in ("input_center", "input_scale"))
    return crop_window(*pair)[None]


def _instances(sample: PoseDataSample, box: Tensor, fields: Mapping[str, Any]) -> InstanceData:
    scores = torch.as_tensor(sample.gt_instances.bbox_scores, dtype=torch.float32)
    scores = scores.to(box.device)
    labels = torch.zeros(1, dtype=torch.int64, device=box.device)
    return InstanceData(bboxes=box, scores=scores, bbox_scores=scores, labels=labels, **fields)
