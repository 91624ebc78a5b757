"""From maps of an input to results of boxes: what the maps cover, which boxes are asked for.

An input shows a whole image or, after `WarpToPerson`, the crop of one person, upright. Frames are
those of docs/conventions.md; the part of an image that a map covers is a window (crop_grid.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from mmdet.structures import DetDataSample, SampleList
from torch import Tensor

from mmktn.structures import ChartOutput, ChartResult, ChartResults
from mmktn.structures.box_grid import result_box_hw, result_box_origin_xy

PERSON = 1
"""Value of the person in `gt_sem_seg` (mmktn.LoadPersonMap)."""
_NEVER = 1e4
"""Added to or taken from the background's logit: no softmax comes back from there."""


def given_boxes(sample: DetDataSample, *, rescale: bool = True) -> tuple[Tensor, Tensor]:
    """Return the boxes that results are asked for.

    Args:
        sample: Its meta information holds `person_box` (4,) and `crop_window` after `WarpToPerson`,
            `given_boxes` (M, 4) and `given_scores` (M,) after `LoadGivenBoxes`, all in pixels of
            the original image; or none of them.
        rescale: Give them in pixels of the original image, else of the input.

    Returns:
        Boxes (M, 4) and scores (M,), float32: the person's, the given ones, or the whole image.
    """
    meta = sample.metainfo
    height, width = meta["ori_shape"][:2]
    boxes = torch.tensor([[0.0, 0.0, width, height]])
    scores = torch.ones(1)
    if meta.get("person_box") is not None:
        boxes = torch.as_tensor(meta["person_box"], dtype=torch.float32).view(1, 4)
        scores = torch.tensor([float(meta.get("person_score", 1.0))])
    elif meta.get("given_boxes") is not None:
        boxes = torch.as_tensor(meta["given_boxes"], dtype=torch.float32).view(-1, 4)
        scores = torch.as_tensor(meta["given_scores"], dtype=torch.float32).view(-1)
    if rescale:
        return boxes, scores
    origin, scale = _image_to_input(sample)
    return (boxes - origin) * scale, scores


def covered_window(
    sample: DetDataSample, input_hw: tuple[int, int], *, rescale: bool = True
) -> Tensor:
    """Return the part (4,) xyxy of the image that a padded input covers, possibly beyond the image.

    Args:
        sample: As in `given_boxes`; `scale_factor` where the image was resized.
        input_hw: Size of the padded input.
        rescale: In pixels of the original image, else of the input.
    """
    height, width = input_hw
    window = torch.tensor([0.0, 0.0, width, height])
    if not rescale:
        return window
    origin, scale = _image_to_input(sample)
    return window / scale + origin


def _image_to_input(sample: DetDataSample) -> tuple[Tensor, Tensor]:
    """Return the corner of the input in the image and scale of the input, both (4,): x, y, x, y."""
    meta = sample.metainfo
    if meta.get("crop_window") is not None:
        x1, y1, x2, y2 = (float(value) for value in meta["crop_window"])
        height, width = meta["img_shape"][:2]
        return torch.tensor([x1, y1] * 2), torch.tensor([width / (x2 - x1), height / (y2 - y1)] * 2)
    return torch.zeros(4), torch.tensor([float(s) for s in meta.get("scale_factor", (1, 1))] * 2)


def restrict_to_person(maps: ChartOutput, samples: SampleList) -> ChartOutput:
    """Let the background win outside the person and never inside (figure-ground oracle, DP*).

    Args:
        maps: Maps of N inputs, of their size.
        samples: Their samples, with `gt_sem_seg`.

    Returns:
        New maps; the charts' logits are unchanged.

    Raises:
        KeyError: A sample has no `gt_sem_seg`.
    """
    fine = maps["fine_segm"].clone()
    height, width = fine.shape[-2:]
    for index, sample in enumerate(samples):
        if "gt_sem_seg" not in sample:
            raise KeyError("no gt_sem_seg: put mmktn.LoadPersonMap into the test pipeline")
        person = sample.gt_sem_seg.sem_seg[0].to(fine.device) == PERSON
        outside = torch.ones((height, width), dtype=torch.bool, device=fine.device)
        rows, columns = min(height, person.shape[0]), min(width, person.shape[1])
        outside[:rows, :columns] = ~person[:rows, :columns]
        fine[index, 0] = torch.where(outside, _NEVER, -_NEVER)
    return maps.replace(fine_segm=fine)


def box_results(
    decode: Callable[..., ChartResults],
    maps: ChartOutput,
    sample: DetDataSample,
    *,
    boxes_xyxy: Tensor,
    window_xyxy: Tensor,
    rescale: bool = True,
) -> ChartResults:
    """Decode the boxes of one input.

    Args:
        decode: `DensePoseHead.predict_by_feat`.
        maps: Maps of one input.
        sample: Its sample.
        boxes_xyxy: (M, 4) boxes, in the pixels that the results shall have.
        window_xyxy: (4,) what the maps cover, same pixels.
        rescale: Whether these are pixels of the original image.

    Returns:
        M results. Several boxes are cut out of one decoded image: where they overlap they agree.
    """
    device = maps["u"].device
    if sample.metainfo.get("person_box") is not None:
        return decode(maps, boxes_xyxy.to(device), windows_xyxy=window_xyxy[None].to(device))
    height, width = sample.metainfo["ori_shape" if rescale else "img_shape"][:2]
    whole = torch.tensor([[0.0, 0.0, width, height]], device=device)
    image = decode(maps, whole, windows_xyxy=window_xyxy[None].to(device))[0]
    return ChartResults(cut_result(image, box) for box in boxes_xyxy)


def cut_result(image: ChartResult, box_xyxy: Tensor) -> ChartResult:
    """Cut a box (4,) out of the result of an image; what leaves the image is background."""
    height, width = result_box_hw(box_xyxy[None])[0].tolist()
    left, top = result_box_origin_xy(box_xyxy).tolist()
    y1, y2 = max(top, 0), min(top + height, image.hw[0])
    x1, x2 = max(left, 0), min(left + width, image.hw[1])

    def cut(values: Tensor) -> Tensor:
        part = values.new_zeros((*values.shape[:-2], height, width))
        if y1 < y2 and x1 < x2:
            part[..., y1 - top : y2 - top, x1 - left : x2 - left] = values[..., y1:y2, x1:x2]
        return part

    return replace(image.map(cut), xy=(left, top))
