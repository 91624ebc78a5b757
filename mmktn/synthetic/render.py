"""From a scene to the picture and its exact labels.

Labels are taken at one times the resolution through pixel centres; colours at twice the resolution
and averaged, so edges in the picture are smooth while labels are never mixed. Clothes and hair hide
other people and belong to the outline of a person; what is labelled is the body underneath.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.synthetic.annotate import DenseTruth, dense_truth
from mmktn.synthetic.background import random_background
from mmktn.synthetic.body import Figure, Template
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.noise import blurred, fractal_noise, resized
from mmktn.synthetic.scene import Person, Scene
from mmktn.synthetic.surroundings import place_picture
from mmktn.synthetic.texture import folded, layer_colors, surface_colors
from mmktn.synthetic.wardrobe import zones

SUPERSAMPLING = 2

# How far from a keypoint, on the rest body, the surface seen at its pixel may be if the keypoint is
# to count as visible: the thickness of the flesh around a joint, metres.
VISIBLE_WITHIN_M = {
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
        maps: per-pixel ground truth of bodies; instance k is the k-th of `people`.
        outline: (H, W) uint8, k where the k-th person is seen, clothes and hair included.
        people: the persons that are annotated; those seen too little are not in the picture at all.
        rasters: what each of them would show alone.
    """

    maps: DenseTruth
    outline: NDArray[np.uint8]
    people: list[Person]
    rasters: list[RasterResult]

    def masks(self) -> list[NDArray[np.bool_]]:
        """Return (H, W) visible pixels of each person's body."""
        return [self.maps.instance == k + 1 for k in range(len(self.people))]

    def outlines(self) -> list[NDArray[np.bool_]]:
        """Return (H, W) visible pixels of each person with clothes and hair."""
        return [self.outline == k + 1 for k in range(len(self.people))]


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
    rasters = [_raster(camera, person.figure.vertices, template.mesh.faces) for person in people]
    covers = [_cover_depth(camera, person.figure) for person in people]
    while True:
        outline = _visible_outline(scene, rasters, covers)
        instance = _bodies_in(outline, rasters)
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
        del people[worst], rasters[worst], covers[worst]
    return Labels(
        maps=dense_truth(instance, rasters, template.face_charts, template.face_uv),
        outline=outline,
        people=people,
        rasters=rasters,
    )


def _raster(
    camera: Camera, vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> RasterResult:
    return rasterize(camera.project(vertices), faces, height=camera.height, width=camera.width)


def _cover_depth(camera: Camera, figure: Figure) -> NDArray[np.float64] | None:
    """Return (H, W) depth of clothes and hair, infinite beside them; None for a bare figure."""
    if not figure.layers:
        return None
    vertices, faces = _joined([(layer.vertices, layer.faces) for layer in figure.layers])
    return _raster(camera, vertices, faces).depth


def _joined(
    meshes: list[tuple[NDArray[np.float64], NDArray[np.int64]]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return several meshes as one."""
    shifts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes[:-1])])
    faces = [faces + shift for (_, faces), shift in zip(meshes, shifts, strict=True)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces)


def labelled_keypoints(
    labels: Labels, person: int, names: tuple[str, ...], *, camera: Camera, template: Template
) -> NDArray[np.float64]:
    """Return the keypoints of a person with visibility.

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
    if scene.light.place:
        yaw = scene.light.yaw
        background = place_picture(scene.light.place, camera, yaw=yaw, rng=rng)
    else:
        background = random_background(shape, rng, horizon=scene.horizon)
    background *= _contact_shadows(camera, people)[..., None]
    background *= _cast_shadows(scene, people, template)[..., None]
    canvas = resized(background, (shape[0] * SUPERSAMPLING, shape[1] * SUPERSAMPLING))
    depth = np.full(canvas.shape[:2], np.inf)
    for person in people:
        _draw_person(canvas, depth, person, scene, template)
    _draw_occluders(canvas, depth, scene, rng)
    return _photograph(resized(canvas, shape, cv2.INTER_AREA), rng)


def _visible_outline(
    scene: Scene, rasters: list[RasterResult], covers: list[NDArray[np.float64] | None]
) -> NDArray[np.uint8]:
    """(H, W) number of the person seen at each pixel centre, from 1; 0 for background, objects."""
    camera = scene.camera
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    nearest = np.full(x.shape, np.inf)
    for occluder in scene.occluders:
        nearest[occluder.covers(x, y)] = occluder.depth
    outline = np.zeros(x.shape, np.uint8)
    for k, (raster, cover) in enumerate(zip(rasters, covers, strict=True)):
        depth = raster.depth if cover is None else np.minimum(raster.depth, cover)
        nearer = depth < nearest
        outline[nearer] = k + 1
        nearest = np.where(nearer, depth, nearest)
    return outline


def _bodies_in(outline: NDArray[np.uint8], rasters: list[RasterResult]) -> NDArray[np.uint8]:
    """Return (H, W) the outline without what only clothes and hair show."""
    instance = outline.copy()
    for k, raster in enumerate(rasters):
        instance[(outline == k + 1) & ~raster.hit] = 0
    return instance


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
    rest = template.mesh.vertices[template.mesh.faces]
    for k, (name, (x, y, depth)) in enumerate(zip(names, image, strict=True)):
        if depth <= 0 or not (0 <= x < camera.width and 0 <= y < camera.height):
            continue
        limit = VISIBLE_WITHIN_M[name.removeprefix("left_").removeprefix("right_")]
        row, column = int(y), int(x)
        near = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        inside = mask[near]
        corners = rest[raster.face_ids[near][inside]]
        seen = np.einsum("pk,pkc->pc", raster.barycentric[near][inside], corners)
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
    figure, layers = person.figure, person.figure.layers
    vertices, faces = _joined(
        [
            (figure.vertices, template.mesh.faces),
            *((layer.vertices, layer.faces) for layer in layers),
        ]
    )
    points = scene.camera.project(vertices)
    points[:, :2] *= SUPERSAMPLING
    limit = np.array(depth.shape[::-1])
    low = np.clip(np.floor(points[:, :2].min(axis=0)), 0, limit).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(axis=0)), low, limit).astype(int)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    behind = depth[window]
    if behind.size == 0:
        return
    points[:, :2] -= low
    raster = rasterize(points, faces, height=behind.shape[0], width=behind.shape[1])
    mask = raster.depth < behind
    normals = np.concatenate([figure.normals, *(layer.normals for layer in layers)])
    places = np.concatenate([template.garment, *(layer.places for layer in layers)])
    seen = raster.face_ids[mask]
    values = raster.interpolate(np.concatenate([normals, places, vertices], axis=1)[faces], mask)
    normal = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-9)
    place, world = values[:, 3:7], values[:, 7:]
    colors = np.zeros((len(seen), 3), np.float32)
    body = seen < len(template.mesh.faces)
    charts = template.face_charts[seen[body]]
    colors[body] = surface_colors(person.outfit, template, place[body], charts)
    cloth = np.zeros(len(seen), np.float32)
    zone = zones(person.outfit, place[body], charts)
    cloth[body] = np.where(zone.top, person.outfit.top.wrinkle, 0)
    cloth[body] = np.where(zone.bottom, person.outfit.bottom.wrinkle, cloth[body])
    end = len(template.mesh.faces)
    for layer in layers:
        own = (seen >= end) & (seen < end + len(layer.faces))
        end += len(layer.faces)
        colors[own] = layer_colors(person.outfit, layer.part, place[own])
        cloth[own] = {
            "top": person.outfit.top.wrinkle,
            "bottom": person.outfit.bottom.wrinkle,
        }.get(layer.part, 0.3)
    normal = folded(normal, person.outfit, place, cloth)
    light = scene.light
    strong = light.shadow * light.key.mean() > 0.08
    lit = _lit(vertices, faces, world, light.direction) if strong else None
    shade = light.shade(normal, lit)
    crease = _creases(raster, scene.camera.focal * SUPERSAMPLING)[mask]
    canvas[window][mask] = colors * shade * crease[:, None]
    behind[mask] = raster.depth[mask]


def _lit(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    world: NDArray[np.float64],
    direction: NDArray[np.float64],
    size: int = 112,
) -> NDArray[np.float32]:
    """Return (N,) share of the key light that reaches points of a mesh, by a shadow map."""
    across = np.cross(direction, [0.3, 1.0, 0.2])
    across /= np.linalg.norm(across)
    axes = np.stack([across, -np.cross(direction, across), -direction], axis=1)
    points, wanted = vertices @ axes, world @ axes
    low = points.min(axis=0)
    scale = (size - 2) / max(float(np.ptp(points[:, :2], axis=0).max()), 1e-6)
    shift = np.array([0.0, 0.0, 1e4])  # so far away that rays are parallel
    drawn = (points - low) * [scale, scale, 1.0] + shift
    near = rasterize(drawn, faces, height=size, width=size).depth
    place = (wanted - low) * [scale, scale, 1.0] + shift
    light = np.zeros(len(world), np.float32)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column = np.clip(place[:, 0].astype(np.int64) - dx, 0, size - 1)
        row = np.clip(place[:, 1].astype(np.int64) - dy, 0, size - 1)
        light += place[:, 2] < near[row, column] + 0.035
    return np.asarray(light / 4, np.float32)


def _creases(raster: RasterResult, focal: float) -> NDArray[np.float32]:
    """(H, W) factor that darkens what lies deeper than its surroundings within some centimetres."""
    hit = raster.hit
    if not hit.any():
        return np.ones(hit.shape, np.float32)
    depth = np.where(hit, raster.depth, 0).astype(np.float32)
    reach = max(3, int(0.05 * focal / float(np.median(raster.depth[hit]))))
    weight = cv2.blur(hit.astype(np.float32), (2 * reach + 1,) * 2)
    mean = cv2.blur(depth, (2 * reach + 1,) * 2) / np.maximum(weight, 1e-6)
    deep = np.clip((depth - mean) / 0.08, 0, 1)
    return np.asarray(1 - 0.45 * deep, np.float32)


def _cast_shadows(scene: Scene, people: list[Person], template: Template) -> NDArray[np.float32]:
    """Return (H, W) factor of the shadows that the key light throws on the ground."""
    camera, light = scene.camera, scene.light
    factor = np.ones((camera.height, camera.width), np.float32)
    direction = light.direction
    strength = float(light.shadow * light.key.mean() / (light.key.mean() + 0.7))
    if direction[1] < 0.2 or strength < 0.1:
        return factor
    mask = np.zeros((camera.height, camera.width), np.uint8)
    for person in people:
        vertices = person.figure.vertices
        ground = vertices - vertices[:, 1:2] / direction[1] * direction
        image = camera.project(ground)
        facing = (person.figure.normals @ direction)[template.mesh.faces[:, 0]] > 0
        faces = template.mesh.faces[facing]
        faces = faces[(image[faces][..., 2] > 0.3).all(axis=1)]
        polygons = np.clip(image[faces][..., :2] * 8, -30000, 30000).astype(np.int32)
        for polygon in polygons:
            cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, 3)
    soft = blurred(np.asarray(mask / 255.0, np.float32), 1.0)
    return factor - np.float32(0.6 * strength) * soft


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
    """Return (H, W) factor that darkens the ground around the feet."""
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
    """Return exposure, colour, vignette, blur of motion and focus, sensor noise, compression."""
    height, width = picture.shape[:2]
    if rng.random() < 0.2:
        patches = fractal_noise((height, width), rng, cells=2, octaves=2)
        picture = picture * (0.75 + 0.5 * patches)[..., None]
    picture = picture * rng.uniform(0.75, 1.2) * (1 + rng.normal(0, 0.04, 3).astype(np.float32))
    picture = np.clip(picture, 0, 1) ** np.float32(rng.uniform(0.75, 1.2))
    if rng.random() < 0.4:  # faded, gaudy or grey
        grey = picture.mean(axis=2, keepdims=True)
        share = 0.0 if rng.random() < 0.06 else rng.uniform(0.5, 1.3)
        picture = grey + np.float32(share) * (picture - grey)
    if rng.random() < 0.5:
        picture = blurred(picture, rng.uniform(0.3, 1.0))
    if rng.random() < 0.08:
        picture = np.asarray(cv2.filter2D(picture, -1, _motion_kernel(rng)), np.float32)
    if rng.random() < 0.12:  # a small picture made larger
        scale = rng.uniform(0.4, 0.8)
        small = resized(picture, (int(height * scale), int(width * scale)), cv2.INTER_AREA)
        picture = resized(small, (height, width), cv2.INTER_CUBIC)
    if rng.random() < 0.2:
        picture = picture + np.float32(rng.uniform(0.3, 1.0)) * (picture - blurred(picture, 1.2))
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0.002, 0.025))
    code = np.round(np.clip(picture + noise, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(30, 92))
        _, packed = cv2.imencode(".jpg", code[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        code = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return code


def _motion_kernel(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a line of 3 to 9 pixels in any direction."""
    size = 2 * int(rng.integers(1, 5)) + 1
    kernel = np.zeros((size, size), np.float32)
    turn, half = rng.uniform(0, np.pi), size // 2
    end = (round(half + half * np.cos(turn)), round(half + half * np.sin(turn)))
    cv2.line(kernel, (size - 1 - end[0], size - 1 - end[1]), end, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)
