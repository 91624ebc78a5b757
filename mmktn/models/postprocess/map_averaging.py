"""The mean of several predictions of the same boxes, as maps that the decoders read.

Source: test-time augmentation of detectron2's DensePose project, which averages all raw maps.
Departure: segmentations and keypoints are averaged as probabilities (`DenseMap.average`), so that a
view with large logits does not outvote the others. Mirrored maps are not moved by a cell: training
ties cell i to position i / w, decoding to (i + 0.5) / w; between a view and its mirror image these
half cells cancel, and mirroring an image mirrors the result.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.structures import ChartOutput, FlipRules, declared_map
from mmktn.structures.box_grid import (
    box_relative_to_image,
    image_to_box_relative,
    move_image_points,
)


def average_views(
    views: Sequence[ChartOutput],
    *,
    mirrored: Sequence[bool] = (),
    rules: Callable[[], FlipRules] | None = None,
    uv_by_chart: bool = False,
) -> ChartOutput:
    """Average predictions of the same N boxes.

    Args:
        views: Views of equal shape with the same maps, as the network made them, turned ones after
            `turn_back`.
        mirrored: Which views show the mirrored image; empty: none. They are mirrored back here, and
            the others are brought to the range that mirrored maps have.
        rules: Gives the surface's symmetry tables; called if a view is mirrored.
        uv_by_chart: Weight U and V of a chart in each view with the probability that the view gives
            to that chart: a scale that does not see it has no say on it.

    Returns:
        Log-probabilities where the views have logits (decoders cannot tell them from logits, and
        the mean of one view decodes to what the view does), other maps as they declare.

    Raises:
        ValueError: Nothing to average, the views carry different maps or shapes, or a view is
            mirrored and there are no rules.
    """
    if not views:
        raise ValueError("average_views needs at least one view")
    shapes = [{name: tuple(maps.shape) for name, maps in view.items()} for view in views]
    if any(other != shapes[0] for other in shapes):
        raise ValueError(f"average_views: the views carry different maps: {shapes}")
    if any(mirrored):
        if rules is None:
            raise ValueError("average_views: mirrored views need the surface's symmetry tables")
        tables = rules()
        views = [
            view.flip(tables) if flip else view.bounded()
            for view, flip in zip(views, mirrored, strict=True)
        ]
    parts = [view.as_dict() for view in views]
    return ChartOutput(
        {
            name: declared_map(name).average(parts, uv_by_chart=uv_by_chart)
            for name in views[0].names()
        }
    )


def turn_back(
    maps: ChartOutput, boxes_xyxy: Tensor, turned_xyxy: Tensor, matrix: Tensor
) -> ChartOutput:
    """Read maps of a turned picture on the cells of boxes in the upright one, bilinearly.

    Channels stay as they are: a turned person has the same charts, U, V and vertices.

    Args:
        maps: Of N windows of the turned picture.
        boxes_xyxy: (N, 4) boxes in the upright picture.
        turned_xyxy: (N, 4) the windows, in pixels of the turned picture: `upright_box` of the boxes
            and the matrix.
        matrix: (2, 3) upright pixels -> turned pixels.

    Returns:
        Maps of the N boxes, of the same sizes, float32. Exact where a map is linear in the pixels.
    """
    boxes, windows = boxes_xyxy.double(), turned_xyxy.double()
    matrix = matrix.to(boxes)

    def read(values: Tensor) -> Tensor:
        rows, columns = (
            (torch.arange(size, dtype=boxes.dtype, device=boxes.device) + 0.5) / size
            for size in values.shape[-2:]
        )
        shares = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).flatten(0, 1)
        points = move_image_points(box_relative_to_image(shares, boxes), matrix)
        there = image_to_box_relative(points, windows)
        grid = (2 * there - 1).unflatten(1, (len(rows), len(columns)))
        values = values.float()
        return F.grid_sample(
            values, grid.to(values), mode="bilinear", padding_mode="border", align_corners=False
        )

    return maps.map(read)
