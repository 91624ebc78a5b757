"""From a scene to the picture and its exact labels.

Labels are taken at one times the resolution through pixel centres; colours at twice the resolution
and averaged, so edges in the picture are smooth while labels are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.synthetic.annotate import UV_STEPS, DenseMaps
from mmktn.synthetic.background import random_background
from mmktn.synthetic.body import Template
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.noise import blurred, fractal_noise, resized
from mmktn.synthetic.scene import Person, Scene
from mmktn.synthetic.texture import surface_colors

SUPERSAMPLING = 2

# How far from a keypoint, on the rest body, the surface seen at its pixel may be if the keypoint is
# to count as visible: the thickness of the flesh around a joint, metres.
_VISIBLE_WITHIN_M = {
    "nose": 0.035,
    "eye": 0.035,
    "ear": 0.045,
    "shoulder": 0.12,
    "elbow": 0.075,
    "wrist": 0.06,
    "hip": 0.17,
    "knee": 0.09,
    "ankle": 0.08,
    "head_top": 0.06,
    "neck": 0.1,
}


@dataclass
class Labels:
    """Labels of a rendered scene.

    Attributes:
        maps: per-pixel ground truth; instance k is the k-th of `people`.
        people: the persons that are annotated; those seen too little are not in the picture at all.
        rasters: what each of them would show alone.
        full_areas: (N,) pixels that each would cover if nothing stood in front.
    """

    maps: DenseMaps
    people: list[Person]
    rasters: list[RasterResult]
    full_areas: NDArray[np.int64]

    def masks(self) -> list[NDArray[np.bool_]]:
        """(H, W) visible pixels of each person."""
        return [self.maps.instance == k + 1 for k in range(len(self.people))]


def render_labels(scene: Scene, template: Template, *, min_pixels: int) -> Labels:
    """Render what can be annotated.

    Persons with fewer than `min_pixels` visible pixels or without any visible COCO keypoint are
    taken out of the scene, one at a time (the least visible first), because each that goes may
    uncover others. Render the picture from the people returned here.

    Args:
        scene: the scene.
        template: the surface's tables.
        min_pixels: least number of visible pixels of an annotated person.

    Returns:
        The labels.
    """
    camera = scene.camera
    people = list(scene.people)
    rasters = [
        rasterize(
            camera.project(person.figure.vertices),
            template.mesh.faces,
            height=camera.height,
            width=camera.width,
        )
        for person in people
    ]
    while True:
        instance = _visible_instance(scene, rasters)
        areas = np.bincount(instance.ravel(), minlength=len(people) + 1)[1:]
        useless = [
            k
            for k, person in enumerate(people)
            if areas[k] < min_pixels
            or not _any_visible(person, rasters[k], instance, k, scene, template)
        ]
        if not useless:
            break
        worst = min(useless, key=lambda k: areas[k])
        del people[worst], rasters[worst]
    return Labels(
        maps=_dense_maps(instance, rasters, template),
        people=people,
        rasters=rasters,
        full_areas=np.array([int(r.hit.sum()) for r in rasters], np.int64),
    )


def labelled_keypoints(
    labels: Labels, person: int, names: tuple[str, ...], *, camera: Camera, template: Template
) -> NDArray[np.float64]:
    """Keypoints of a person with visibility.

    A keypoint is visible when, at its pixel or one next to it, the person's own surface is seen
    near the keypoint; it is hidden when something else, or another side or part of the person, is.

    Args:
        labels: rendered labels.
        person: index into `labels.people`.
        names: keypoints wanted.
        camera: the camera.
        template: the surface's tables.

    Returns:
        (K, 3) x, y in the image frame and v: 2 visible, 1 hidden, 0 (with x = y = 0) outside the
        image.
    """
    return _keypoints(
        labels.people[person],
        labels.rasters[person],
        labels.maps.instance == person + 1,
        names,
        camera,
        template,
    )


def render_image(
    scene: Scene, people: list[Person], template: Template, *, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Render the picture.

    Args:
        scene: camera, light, occluders.
        people: the persons to draw, `Labels.people`.
        template: the surface's tables.
        rng: source of background, camera noise and blur.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    camera = scene.camera
    shape = (camera.height, camera.width)
    background = random_background(shape, rng, horizon=scene.horizon)
    background *= _contact_shadows(camera, people)[..., None]
    canvas = resized(background, (shape[0] * SUPERSAMPLING, shape[1] * SUPERSAMPLING))
    depth = np.full(canvas.shape[:2], np.inf)
    for person in people:
        _draw_person(canvas, depth, person, scene, template)
    _draw_occluders(canvas, depth, scene, rng)
    return _photograph(resized(canvas, shape, cv2.INTER_AREA), rng)


def _visible_instance(scene: Scene, rasters: list[RasterResult]) -> NDArray[np.uint8]:
    """(H, W) number of the person seen at each pixel centre, from 1; 0 for background, objects."""
    camera = scene.camera
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    nearest = np.full(x.shape, np.inf)
    for occluder in scene.occluders:
        nearest[occluder.covers(x, y)] = occluder.depth
    instance = np.zeros(x.shape, np.uint8)
    for k, raster in enumerate(rasters):
        nearer = raster.depth < nearest
        instance[nearer] = k + 1
        nearest = np.where(nearer, raster.depth, nearest)
    return instance


def _dense_maps(
    instance: NDArray[np.uint8], rasters: list[RasterResult], template: Template
) -> DenseMaps:
    chart = np.zeros(instance.shape, np.uint8)
    u, v = np.zeros(instance.shape, np.uint16), np.zeros(instance.shape, np.uint16)
    for k, raster in enumerate(rasters):
        mask = instance == k + 1
        chart[mask] = template.face_charts[raster.face_ids[mask]]
        uv = np.clip(raster.interpolate(template.face_uv, mask), 0, 1)
        steps = np.round(uv * UV_STEPS).astype(np.uint16)
        u[mask], v[mask] = steps.T
    return DenseMaps(instance, chart, u, v)


def _any_visible(
    person: Person,
    raster: RasterResult,
    instance: NDArray[np.uint8],
    index: int,
    scene: Scene,
    template: Template,
) -> bool:
    mask = instance == index + 1
    points = _keypoints(person, raster, mask, COCO_KEYPOINT_NAMES, scene.camera, template)
    return bool((points[:, 2] == 2).any())


def _keypoints(
    person: Person,
    raster: RasterResult,
    mask: NDArray[np.bool_],
    names: tuple[str, ...],
    camera: Camera,
    template: Template,
) -> NDArray[np.float64]:
    image = camera.project(np.stack([person.figure.keypoints[name] for name in names]))
    result = np.zeros((len(names), 3))
    for k, (name, (x, y, depth)) in enumerate(zip(names, image, strict=True)):
        if depth <= 0 or not (0 <= x < camera.width and 0 <= y < camera.height):
            continue
        limit = _VISIBLE_WITHIN_M[name.removeprefix("left_").removeprefix("right_")]
        window = np.zeros_like(mask)
        row, column = int(y), int(x)
        near = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        window[near] = mask[near]
        seen = raster.interpolate(template.mesh.vertices[template.mesh.faces], window)
        distance = np.linalg.norm(seen - template.keypoints[name], axis=1)
        result[k] = x, y, 2 if (distance < limit).any() else 1
    return result


def _draw_person(
    canvas: NDArray[np.float32],
    depth: NDArray[np.float64],
    person: Person,
    scene: Scene,
    template: Template,
) -> None:
    """Draw one person where nothing nearer has been drawn, in place."""
    points = scene.camera.project(person.figure.vertices)
    points[:, :2] *= SUPERSAMPLING
    low = np.clip(np.floor(points[:, :2].min(axis=0)), 0, None).astype(int)
    high = np.ceil(points[:, :2].max(axis=0)).astype(int)
    window = slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0]))
    region = depth[window]
    if region.size == 0:
        return
    points[:, :2] -= low
    raster = rasterize(points, template.mesh.faces, height=region.shape[0], width=region.shape[1])
    mask = raster.depth < region
    normals = raster.interpolate(person.figure.normals[template.mesh.faces], mask)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    rest = raster.interpolate(template.garment[template.mesh.faces], mask)
    charts = template.face_charts[raster.face_ids[mask]]
    colors = surface_colors(person.outfit, template, rest, charts) * scene.light.shade(normals)
    canvas[window][mask] = colors
    region[mask] = raster.depth[mask]


def _draw_occluders(
    canvas: NDArray[np.float32],
    depth: NDArray[np.float64],
    scene: Scene,
    rng: np.random.Generator,
) -> None:
    height, width = depth.shape
    y, x = (np.mgrid[0:height, 0:width] + 0.5) / SUPERSAMPLING
    for occluder in scene.occluders:
        mask = occluder.covers(x, y) & (occluder.depth < depth)
        canvas[mask] = occluder.paint((height, width), rng)[mask]
        depth[mask] = occluder.depth


def _contact_shadows(camera: Camera, people: list[Person]) -> NDArray[np.float32]:
    """(H, W) factor that darkens the ground around the feet."""
    light = np.ones((camera.height, camera.width), np.float32)
    for person in people:
        for side in ("left", "right"):
            ankle = person.figure.keypoints[f"{side}_ankle"]
            x, y, depth = camera.project(np.array([[ankle[0], 0.0, ankle[2]]]))[0]
            if depth < 0.3:
                continue
            wide = 0.26 * camera.focal / depth
            flat = wide * min(1.0, 0.15 + camera.position[1] / depth)
            strength = 0.55 * np.exp(-4.0 * max(ankle[1] - 0.1, 0.0))
            spot = np.zeros_like(light)
            centre = (int(np.clip(x, -1e4, 1e4)), int(np.clip(y, -1e4, 1e4)))
            cv2.ellipse(spot, centre, (int(wide), max(int(flat), 1)), 0, 0, 360, 1.0, -1)
            light *= 1 - strength * blurred(spot, max(0.3 * wide, 0.5))
    return light


def _photograph(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, vignette, blur and sensor noise."""
    height, width = picture.shape[:2]
    if rng.random() < 0.3:
        picture = (
            picture
            * (0.75 + 0.5 * fractal_noise((height, width), rng, cells=2, octaves=2))[..., None]
        )
    picture = picture * rng.uniform(0.85, 1.15) * (1 + rng.normal(0, 0.03, 3).astype(np.float32))
    picture = np.clip(picture, 0, 1) ** np.float32(rng.uniform(0.7, 1.1))
    if rng.random() < 0.5:
        picture = blurred(picture, rng.uniform(0.3, 0.9))
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0.003, 0.03))
    return np.round(np.clip(picture + noise, 0, 1) * 255).astype(np.uint8)
