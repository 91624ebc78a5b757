"""People side by side: photograph with annotated points, predicted charts, error at the points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import densepose_protocol
from mmktn.evaluation.functional.densepose.gps import read_maps
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.densepose.person_points import place_points, search_vertices
from mmktn.evaluation.functional.densepose.scores import DensePoseScores
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.evaluation.report.curve_figures import new_figure
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.pictures import PictureError, read_picture
from mmktn.surface.parts import NUM_CHARTS
from mmktn.utils.optional import require
from mmktn.utils.user_error import UserError


@dataclass(frozen=True)
class Instance:
    """One annotated person and the detection that fits it best.

    Attributes:
        person: The annotation.
        similarity: Best similarity of a detection.
        det_index: Position of that detection in the result list, -1 for none.
    """

    person: PersonTruth
    similarity: float
    det_index: int


def ranked_instances(scores: DensePoseScores, truth: DensePoseTruth) -> list[Instance]:
    """Sort the annotated persons from the worst to the best.

    Args:
        scores: The evaluation; its first similarity is used.
        truth: Ground truth.

    Returns:
        All persons with points.
    """
    persons = {p.annotation_id: p for p in truth.all_persons()}
    found = []
    for pairs in scores.pairs:
        matrix = pairs.similarities[scores.names[0]]
        for g, key in enumerate(pairs.gt_ids.tolist()):
            if pairs.gt_ignored[g] or not len(persons[key].charts):
                continue
            best = int(matrix[:, g].argmax()) if len(matrix) else -1
            value = float(matrix[best, g]) if best >= 0 else 0.0
            det = int(pairs.det_index[best]) if value > 0 else -1
            found.append(Instance(persons[key], value, det))
    return sorted(found, key=lambda i: (i.similarity, i.person.annotation_id))


def chart_colours() -> NDArray[np.float64]:
    """Return (25, 3) colours: white background, neighbouring numbers far apart."""
    hue = require("matplotlib.colors", extra="mm").hsv_to_rgb
    rows = [(1.0, 1.0, 1.0)]
    rows += [
        tuple(hue(((k * 7 % NUM_CHARTS) / NUM_CHARTS, 0.75, 0.95 if k % 2 else 0.7)))
        for k in range(NUM_CHARTS)
    ]
    return np.array(rows)


def instance_figure(
    instance: Instance,
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike,
    *,
    protocol: str,
    photograph: Path | None = None,
) -> Any:
    """Draw one person.

    Args:
        instance: Person and detection.
        truth: Ground truth.
        detections: Results.
        surface: Body surface.
        protocol: Protocol that places the points.
        photograph: Picture file, if there is one.
    """
    person = instance.person
    rules = densepose_protocol(protocol)
    points = place_points([person], search_vertices([person], surface), rules)
    window = _window(person, truth)
    image = truth.images[person.image_id]
    background = _background(window, photograph, (image.height, image.width))
    figure = new_figure(6.6, 2.6)
    left, middle, right = figure.subplots(1, 3)
    colours = chart_colours()
    for axes, title in ((left, "annotated"), (middle, "predicted"), (right, "error at points")):
        axes.imshow(background, extent=(window[0], window[2], window[3], window[1]))
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    shown = np.clip(points.charts, 0, NUM_CHARTS)
    left.scatter(points.x, points.y, s=8, c=colours[shown], edgecolors="k", linewidths=0.2)
    errors = np.full(len(points.x), np.inf)
    if instance.det_index >= 0:
        k = instance.det_index
        box, iuv = detections.boxes_xywh[k], detections.iuv(k)
        x, y = int(box[0]), int(box[1])
        layer = np.concatenate([colours[iuv[0]], (iuv[:1].transpose(1, 2, 0) > 0) * 0.85], axis=-1)
        middle.imshow(layer, extent=(x, x + iuv.shape[2], y + iuv.shape[1], y))
        read = read_maps(points, box[None], np.array([k]), [iuv], rules)
        valid = points.vertex[read.point] >= 0
        nearest = surface.atlas.nearest_vertex_uint8(
            read.charts[valid], read.u[valid], read.v[valid]
        )
        errors[read.point[valid]] = surface.geodesics.distance(
            points.vertex[read.point[valid]], surface.atlas.mesh_vertex[nearest]
        )
    missed = ~np.isfinite(errors)
    right.scatter(points.x[~missed], points.y[~missed], s=8, c=100 * errors[~missed],
                  cmap="inferno_r", vmin=0, vmax=30)  # fmt: skip
    right.scatter(points.x[missed], points.y[missed], s=12, marker="x", c="red", linewidths=0.8)
    for axes in (left, middle, right):
        axes.set(xlim=(window[0], window[2]), ylim=(window[3], window[1]))
    return figure


def _window(person: PersonTruth, truth: DensePoseTruth) -> tuple[float, float, float, float]:
    """Part of the image to show: the box and a margin."""
    image = truth.images[person.image_id]
    x, y, w, h = person.box_xywh
    margin = 0.15 * max(w, h) + 2
    return (
        max(x - margin, 0.0),
        max(y - margin, 0.0),
        min(x + w + margin, float(image.width)),
        min(y + h + margin, float(image.height)),
    )


def _background(
    window: Sequence[float], photograph: Path | None, hw: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the window of the photograph, RGB; plain grey without one."""
    if photograph is None or not photograph.is_file():
        return np.full((1, 1, 3), 235, dtype=np.uint8)
    try:
        picture = read_picture(photograph, expected_hw=hw)
    except PictureError as error:
        raise UserError(f"{photograph} {error}") from error
    x1, y1, x2, y2 = (round(v) for v in window)
    return np.ascontiguousarray(picture[y1:y2, x1:x2, ::-1])
