"""Mean error of annotated points, drawn on the body from the front and from the back.

Error of a face: the points whose true place lies near it, weighted by distance; grey where no
point lies within 12 cm. Faces are painted from far to near.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mmktn.evaluation.functional.densepose.point_errors import PointDistances
from mmktn.evaluation.report.curve_figures import new_figure
from mmktn.utils.optional import require

CAP_M = 0.30
_REACH_M = 0.12
_NEIGHBOURS = 12
_GREY = (0.8, 0.8, 0.8, 1.0)


def face_errors(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: PointDistances
) -> NDArray[np.float64]:
    """Mean error near every face.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex ids.
        points: Errors of points; larger ones, and misses, count as 0.30 m.

    Returns:
        (F,) metres, nan where no point is near.
    """
    centres = vertices[faces].mean(axis=1)
    errors = np.minimum(points.distances_m, CAP_M).astype(np.float64)
    seen, place = np.unique(points.vertices, return_inverse=True)
    if not len(seen):
        return np.full(len(faces), np.nan)
    counts = np.bincount(place)
    means = np.bincount(place, weights=errors) / counts
    number = min(_NEIGHBOURS, len(seen))
    reach, near = cKDTree(vertices[seen]).query(centres, k=number, distance_upper_bound=_REACH_M)
    reach, near = reach.reshape(len(faces), number), near.reshape(len(faces), number)
    found = np.isfinite(reach)
    near = np.where(found, near, 0)
    weights = np.where(found, counts[near] / (np.where(found, reach, 1.0) + 0.01), 0.0)
    total = weights.sum(axis=1)
    sums = (weights * means[near]).sum(axis=1)
    return np.divide(sums, total, out=np.full(len(faces), np.nan), where=total > 0)


def body_figure(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: PointDistances
) -> Any:
    """Draw front and back of the body, coloured by error.

    Args:
        vertices: (V, 3) metres; y up, the person faces +z.
        faces: (F, 3) vertex ids.
        points: Errors of points.
    """
    matplotlib = require("matplotlib", extra="mm")
    collections = require("matplotlib.collections", extra="mm")
    values = face_errors(vertices, faces, points)
    colours = np.asarray(matplotlib.colormaps["inferno_r"](values / CAP_M))
    colours[np.isnan(values)] = _GREY
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    figure = new_figure(8, 5)
    for axes, side, title in zip(figure.subplots(1, 2), (1, -1), ("front", "back"), strict=True):
        facing = np.flatnonzero(side * normals[:, 2] > 0)
        order = facing[np.argsort(side * corners[facing, :, 2].mean(axis=1))]
        shade = 0.55 + 0.45 * side * normals[order, 2:3]
        painted = np.concatenate([colours[order, :3] * shade, colours[order, 3:]], axis=1)
        flat = corners[order][:, :, :2] * [side, 1]
        # Edges in the colour of the face close the hairlines between faces.
        axes.add_collection(
            collections.PolyCollection(flat, facecolors=painted, edgecolors=painted, linewidths=0.3)
        )
        axes.autoscale_view()
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(title)
    scale = require("matplotlib.cm", extra="mm").ScalarMappable(
        norm=require("matplotlib.colors", extra="mm").Normalize(0, 100 * CAP_M), cmap="inferno_r"
    )
    figure.colorbar(scale, ax=figure.axes, label="mean error [cm], misses count as 30", shrink=0.7)
    return figure
