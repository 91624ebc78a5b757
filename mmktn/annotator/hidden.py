"""Hidden pictures: rendered, with exact truth, put among the real ones to measure annotators.

A body with a skeleton is rendered by `mmktn.synthetic`; any other one stands still, seen from
random sides. Box and parts come with the picture; what annotators do is place the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.orthographic import OrthographicView, look_from
from mmktn.annotation.points import GRID
from mmktn.annotator.body import Body
from mmktn.annotator.part_maps import Box, from_image
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.synthetic.annotate import tight_box
from mmktn.utils.output_files import replace_atomically, replace_atomically_by_name

_SIDE = 480
_SEED = 7919
"""Not the usual 0: hidden pictures must not be those of a training set that was rendered."""


@dataclass(frozen=True)
class HiddenPicture:
    """A rendered picture with one person.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        chart: (H, W) uint8 true chart, 0 off the body.
        uv: (2, H, W) true U and V.
        box: Of the body, pixels.
    """

    picture: NDArray[np.uint8]
    chart: NDArray[np.uint8]
    uv: NDArray[np.float64]
    box: Box

    def parts(self, body: Body) -> NDArray[np.uint8]:
        """Return (256, 256) map of the body's parts over the box."""
        return from_image(body.scheme.part_of_chart[self.chart], self.box)


def render_hidden(body: Body, surface_name: str | None, index: int) -> HiddenPicture:
    """Render one picture.

    Args:
        body: The body.
        surface_name: Argument of `load_surface` that gives it; None: its default.
        index: Number of the picture; each has its own.

    Returns:
        The picture with its truth.
    """
    surface = body.surface
    if body.scheme.is_human and surface.skeleton is not None and surface.keypoints:
        scene = SceneOptions(size_hw=(_SIDE, 3 * _SIDE // 4), people=(1, 1))
        named: dict[str, Any] = {} if surface_name is None else {"surface": surface_name}
        options = GeneratorOptions(seed=_SEED, scene=scene, **named)
        sample = make_sample(options, "val", index)
        maps = sample.labels.maps
        own = maps.instance == 1
        chart = np.where(own, maps.chart, 0).astype(np.uint8)
        x, y, w, h = tight_box(chart > 0)
        return HiddenPicture(sample.picture, chart, maps.uv() * own, (x, y, w, h))
    return _still(body, np.random.default_rng([_SEED, index]))


def _still(body: Body, rng: np.random.Generator) -> HiddenPicture:
    """Return the rest body from a random side, in random light, before noise of low frequency."""
    mesh, atlas = body.mesh, body.surface.atlas
    angle, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.7)
    direction = [np.cos(tilt) * np.sin(angle), np.sin(tilt), np.cos(tilt) * np.cos(angle)]
    axes = look_from(direction, (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    centre = (low + high) / 2
    radius = np.linalg.norm(mesh.vertices - centre, axis=1).max()
    view = OrthographicView(axes, centre, 0.46 * _SIDE / radius, _SIDE, _SIDE)
    raster = view.raster(mesh.vertices, atlas.mesh_faces)
    hit = raster.hit
    coarse = rng.uniform(40, 215, (6, 6, 3)).astype(np.float32)
    large = cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.asarray(large, np.float64)
    normals = raster.interpolate(mesh.vertex_normals[atlas.mesh_faces], hit)
    light = look_from(rng.normal(size=3) + 1.5 * axes[2], axes[1], axes[0])[2]
    shade = 0.35 + 0.65 * np.clip(normals @ light, 0, 1)
    picture[hit] = rng.uniform(90, 230, 3) * shade[:, None]
    picture += rng.normal(0, 4, picture.shape)
    chart = np.zeros(hit.shape, np.uint8)
    chart[hit] = atlas.face_charts[raster.face_ids[hit]]
    uv = np.zeros((2, *hit.shape))
    uv[:, hit] = raster.interpolate(atlas.uv[atlas.faces], hit).T
    x, y, w, h = tight_box(hit)
    return HiddenPicture(np.clip(picture, 0, 255).astype(np.uint8), chart, uv, (x, y, w, h))


def save_hidden(made: HiddenPicture, picture: Path, truth: Path) -> None:
    """Write picture (JPEG) and truth (.npz)."""
    _, code = cv2.imencode(".jpg", made.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])
    with replace_atomically_by_name(truth) as file:
        np.savez_compressed(file, chart=made.chart, uv=made.uv.astype(np.float32))
    with replace_atomically(picture) as handle:
        handle.write(code.tobytes())


def true_places(
    truth: Path, points: list[dict[str, Any]], box: Box, body: Body
) -> NDArray[np.int64]:
    """Return (P,) true mesh vertices of points of a hidden picture; -1 off the body.

    Args:
        truth: The .npz of the picture.
        points: With `x`, `y` on the 256 x 256 grid.
        box: Of the person, pixels.
        body: The body.
    """
    with np.load(truth, allow_pickle=False) as stored:
        chart, uv = stored["chart"], stored["uv"]
    grid = np.array([[p["x"], p["y"]] for p in points], np.float64).reshape(-1, 2)
    column = np.clip((box[0] + grid[:, 0] * box[2] / GRID).astype(int), 0, chart.shape[1] - 1)
    row = np.clip((box[1] + grid[:, 1] * box[3] / GRID).astype(int), 0, chart.shape[0] - 1)
    return body.surface.atlas.nearest_mesh_vertex(
        chart[row, column].astype(np.int64), *uv[:, row, column].astype(np.float64)
    )
