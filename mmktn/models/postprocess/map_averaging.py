"""The mean of several predictions of the same boxes, as maps that the decoders read.

Source: test-time augmentation of detectron2's DensePose project, which averages all raw maps.
Departure: segmentations and keypoints are averaged as probabilities (`DenseMap.average`), so that a
view with large logits does not outvote the others. Mirrored maps are not moved by a cell: training
ties cell i to position i / w, decoding to (i + 0.5) / w; between a view and its mirror image these
half cells cancel, and mirroring an image mirrors the result.
"""

from collections.abc import Callable, Sequence

from mmktn.structures import ChartOutput, FlipRules, declared_map


def average_views(
    views: Sequence[ChartOutput],
    *,
    mirrored: Sequence[bool] = (),
    rules: Callable[[], FlipRules] | None = None,
    uv_by_chart: bool = False,
) -> ChartOutput:
    """Average predictions of the same N boxes.

    Args:
        views: Views of equal shape with the same maps, as the network made them.
        mirrored: Which views show the mirrored image; empty: none. They are turned back here, and
            the others are brought to the range that mirrored maps have.
        rules: Gives the surface's symmetry tables; called if a view is mirrored.
        uv_by_chart: Weight U and V of a chart in each view with the probability that the view gives
            to that chart: a scale that does not see it has no say on it.

    Returns:
        Log-probabilities where the views have logits (decoders cannot tell them from logits, and
        the mean of one view decodes to what the view does), other maps as they declare.

    Raises:
        ValueError: Nothing to average, the views carry different maps or shapes, a view is mirrored
            and there are no rules, or all are and a map cannot be turned back.
    """
    if not views:
        raise ValueError("average_views needs at least one view")
    shapes = [{name: tuple(maps.shape) for name, maps in view.items()} for view in views]
    if any(other != shapes[0] for other in shapes):
        raise ValueError(f"average_views: the views carry different maps: {shapes}")
    mirrored = mirrored or [False] * len(views)
    kinds = {name: declared_map(name) for name in views[0].names()}
    one_way = [name for name, kind in kinds.items() if not kind.turns_back]
    if any(mirrored):
        if rules is None:
            raise ValueError("average_views: mirrored views need the surface's symmetry tables")
        if one_way and all(mirrored):
            raise ValueError(
                f"average_views: the map {one_way[0]!r} cannot be turned back from a mirror; add a "
                "view that is not mirrored"
            )
        tables = rules()
        views = [
            view.flip(tables) if flip else view.bounded()
            for view, flip in zip(views, mirrored, strict=True)
        ]
    parts = [view.as_dict() for view in views]
    unturned = [part for part, flip in zip(parts, mirrored, strict=True) if not flip]
    return ChartOutput(
        {
            name: kind.average(unturned if name in one_way else parts, uv_by_chart=uv_by_chart)
            for name, kind in kinds.items()
        }
    )
