"""Pictures of poses: skeletons on the photo, and STIP's inner maps over a crop. numpy and OpenCV.

All pictures are (H, W, 3) uint8 RGB; inputs are left unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.visualization.colormaps import colormap_table
from mmktn.visualization.drawing import mark_scale
from mmktn.visualization.panels import make_overview

# Columns of the overview: name of the map, title.
STIP_COLUMNS = (
    ("initial", "initial"),
    ("graph", "graph"),
    ("transfer_matrix", "transfer matrix"),
    ("kernel", "parameter map"),
    ("final", "final"),
)


def draw_skeletons(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.floating],
    scores: NDArray[np.floating],
    *,
    links: Sequence[Sequence[int]],
    link_colours: NDArray[np.integer],
    keypoint_colours: NDArray[np.integer],
    score_threshold: float = 0.3,
) -> NDArray[np.uint8]:
    """Draw the skeletons of all persons.

    Args:
        image: Picture.
        keypoints: ``(N, K, 2)``, image pixels.
        scores: ``(N, K)``; keypoints below the threshold are left out, and links that end there.
        links: Pairs of keypoints.
        link_colours: One RGB colour per link.
        keypoint_colours: One RGB colour per keypoint ``(K, 3)``.
        score_threshold: Lowest score that is drawn.
    """
    drawn = image.copy()
    size = mark_scale((image.shape[0], image.shape[1]))
    thickness, radius = max(round(2 * size), 1), max(round(3 * size), 2)
    for points, found in zip(keypoints, scores >= score_threshold, strict=True):
        cells = [(round(float(x)), round(float(y))) for x, y in points]
        for (start, end), colour in zip(links, link_colours, strict=True):
            if found[start] and found[end]:
                colour = tuple(int(c) for c in colour)
                cv2.line(drawn, cells[start], cells[end], colour, thickness, cv2.LINE_AA)
        for cell, colour, is_found in zip(cells, keypoint_colours, found, strict=True):
            if is_found:
                cv2.circle(drawn, cell, radius, tuple(int(c) for c in colour), -1, cv2.LINE_AA)
    return drawn


def overlay_map(
    crop: NDArray[np.uint8], values: NDArray[np.floating], *, alpha: float = 0.65
) -> NDArray[np.uint8]:
    """Lay one map over a crop, stretched from its own minimum to its own maximum.

    Args:
        crop: Picture ``(h, w, 3)``.
        values: Map ``(h', w')``; resized to the crop.
        alpha: Share of the map's colour.
    """
    span = values.max() - values.min()
    stretched = (values - values.min()) / (span if span > 0 else 1)
    size_wh = (crop.shape[1], crop.shape[0])
    stretched = cv2.resize(stretched.astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
    index = np.clip(255 * stretched, 0, 255).astype(np.uint8)
    colour = colormap_table("inferno")[index]
    return (alpha * colour + (1 - alpha) * crop).round().astype(np.uint8)


def stip_overview(
    crop: NDArray[np.uint8],
    maps: Mapping[str, NDArray[np.floating]],
    *,
    keypoint_names: Sequence[str],
    keypoints: Sequence[int] = (),
) -> NDArray[np.uint8]:
    """Lay out what STIP computes inside: a row of maxima over the keypoints, then chosen ones.

    Args:
        crop: The network's input ``(h, w, 3)``.
        maps: As `PoseEstimator.stip_maps` gives them; absent ones have no column.
        keypoint_names: Names of the K keypoints.
        keypoints: Which keypoints get a row of their own.

    Raises:
        ValueError: A keypoint does not exist.
    """
    wrong = [k for k in keypoints if not 0 <= k < len(keypoint_names)]
    if wrong:
        raise ValueError(f"keypoint {wrong[0]} is not among 0..{len(keypoint_names) - 1}")
    columns = [(name, title) for name, title in STIP_COLUMNS if name in maps]
    columns += [(name, name) for name in ("spatial", "mask") if name in maps]

    def row(k: int | None) -> list[NDArray[np.uint8]]:
        chosen = [
            maps[name].max(0) if k is None else maps[name][k % len(maps[name])]
            for name, _ in columns
        ]
        return [crop, *(overlay_map(crop, values) for values in chosen)]

    rows = [row(None), *(row(k) for k in keypoints)]
    titles = ["crop", *(title for _, title in columns)]
    semantics = maps.get("semantics")
    labels = ["maximum over keypoints"] + [
        keypoint_names[k] + (f" {semantics[k]:.2f}" if semantics is not None else "")
        for k in keypoints
    ]
    return make_overview(rows, titles=titles, row_titles=labels)
