"""How far annotators are off, over the whole body surface.

DensePose paper, section 3: on rendered images the true surface point of each pixel is known. For
image k the error of point i is d(i, k) = g(i, i_k), the geodesic distance to where the annotator
put it; it is known at a few points of each image, interpolated over the rest of the surface and
averaged over the images. The paper does not print its interpolation; here it is by inverse geodesic
distance (Shepard).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.annotation.body_parts import PartScheme, coarse_scheme
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.geodesic import GeodesicTable

POWER = 2.0
_BLOCK = 2**22
"""Distances looked up at a time."""


@dataclass(frozen=True)
class AnnotatedImage:
    """What annotators made of one image.

    Attributes:
        name: For messages.
        true: (S,) mesh vertices that the points really show.
        annotated: (S,) mesh vertices where they were put.
    """

    name: str
    true: NDArray[np.int64]
    annotated: NDArray[np.int64]


@dataclass(frozen=True)
class PartError:
    """Annotator error of a part.

    Attributes:
        part: From 1.
        name: Its name.
        points: Number of annotated points on it.
        mean_m: Mean error of these points, metres; nan without any.
        median_m: Median.
        surface_m: Mean of the interpolated error over the part's area.
    """

    part: int
    name: str
    points: int
    mean_m: float
    median_m: float
    surface_m: float


@dataclass(frozen=True)
class AnnotatorError:
    """The error over the surface.

    Attributes:
        vertices_m: (V,) interpolated error of each mesh vertex, mean over images, metres.
        parts: One entry per part.
        images: Number of images.
        mean_m: Mean of all annotated points.
    """

    vertices_m: NDArray[np.float64]
    parts: tuple[PartError, ...]
    images: int
    mean_m: float


def measure_error(
    images: Sequence[AnnotatedImage], surface: BodySurface, scheme: PartScheme | None = None
) -> AnnotatorError:
    """Measure how far annotators are off.

    Args:
        images: What they made of each image; images without points are not counted.
        surface: Body with geodesic distances and, for areas, a mesh.
        scheme: Parts of the table; None: the 14 coarse ones.

    Returns:
        The error over the surface and by part.

    Raises:
        ValueError: No points at all, lists of different length, or an unknown vertex.
    """
    images = [image for image in images if len(_checked(image, surface).true)]
    if not images:
        raise ValueError("measure_error: no image has an annotated point")
    geodesics = surface.geodesics
    errors = [geodesics.distance(image.true, image.annotated) for image in images]
    total = np.zeros(surface.num_mesh_vertices)
    for image, values in zip(images, errors, strict=True):
        total += interpolate_over_surface(image.true, values, geodesics)
    every = np.concatenate(errors)
    true = np.concatenate([image.true for image in images])
    mean = total / len(images)
    parts = _part_table(true, every, mean, surface, scheme or coarse_scheme())
    return AnnotatorError(mean, parts, len(images), float(every.mean()))


def interpolate_over_surface(
    vertices: ArrayLike, values: ArrayLike, geodesics: GeodesicTable, *, power: float = POWER
) -> NDArray[np.float64]:
    """Spread values known at some vertices over all, by inverse geodesic distance.

    The value of vertex i is sum_j w_ij d_j / sum_j w_ij with w_ij = g(i, j)^-power; where vertex i
    itself is known it is its value (the mean of several).

    Args:
        vertices: (S,) mesh vertices, S > 0; they may repeat.
        values: (S,) their values.
        geodesics: Distances.
        power: Of the distance.

    Returns:
        (V,) values, all within the range of those given.
    """
    known, place = np.unique(np.asarray(vertices, dtype=np.int64), return_inverse=True)
    sums = np.bincount(place, weights=np.asarray(values, dtype=np.float64))
    means = sums / np.bincount(place)
    result = np.zeros(geodesics.num_vertices)
    step = max(_BLOCK // len(known), 1)
    for start in range(0, len(result), step):
        block = np.arange(start, min(start + step, len(result)))
        distance = geodesics.distance(block[:, None], known[None])
        # The nearest known point sets the unit, so that no weight overflows.
        nearest = np.maximum(distance.min(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        weights = np.divide(
            nearest, distance, out=np.full_like(distance, np.inf), where=distance > 0
        )
        weights **= power
        exact = np.isinf(weights)
        weights = np.where(exact.any(axis=1, keepdims=True), exact.astype(np.float64), weights)
        result[block] = weights @ means / weights.sum(axis=1)
    return result


def _checked(image: AnnotatedImage, surface: BodySurface) -> AnnotatedImage:
    """Return the image, if its lists can be used."""
    if len(image.true) != len(image.annotated):
        raise ValueError(
            f"{image.name}: {len(image.true)} true vertices, {len(image.annotated)} annotated ones"
        )
    for name, ids in (("true", image.true), ("annotated", image.annotated)):
        if len(ids) and (ids.min() < 0 or ids.max() >= surface.num_mesh_vertices):
            raise ValueError(
                f"{image.name}: {name} vertices {ids.min()}..{ids.max()}, the surface has "
                f"0..{surface.num_mesh_vertices - 1}"
            )
    return image


def _part_table(
    true: NDArray[np.int64],
    errors: NDArray[np.float64],
    vertices_m: NDArray[np.float64],
    surface: BodySurface,
    scheme: PartScheme,
) -> tuple[PartError, ...]:
    """Return the errors by the part of the true vertex."""
    part_of_vertex = scheme.vertex_parts(surface)
    areas = np.ones(len(vertices_m)) if surface.mesh is None else surface.mesh.vertex_areas
    table = []
    for part in scheme.parts:
        own = errors[part_of_vertex[true] == part.number]
        members = part_of_vertex == part.number
        weight = areas[members].sum()
        table.append(
            PartError(
                part.number,
                part.name,
                len(own),
                float(own.mean()) if len(own) else float("nan"),
                float(np.median(own)) if len(own) else float("nan"),
                float(areas[members] @ vertices_m[members] / weight) if weight else float("nan"),
            )
        )
    return tuple(table)


def vertex_parts(surface: BodySurface) -> NDArray[np.int64]:
    """Return (V,) coarse part of each mesh vertex; on a seam one whose atlas vertex comes first."""
    return coarse_scheme().vertex_parts(surface)
