"""Clips: people who walk, with exact labels of every frame and the places of fixed body points.

Persons, clothes, place and light are drawn once; walking and the camera's way are functions of
time. A body point is a vertex: where it is on every frame, and whether it is seen, is known without
error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.body import Shape, Template, make_figure, random_shape
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.garments import dress_figure
from mmktn.synthetic.pose import PoseAngles, gait, joint_rotations
from mmktn.synthetic.render import Labels, render_image, render_labels
from mmktn.synthetic.sample import GeneratorOptions, load_template
from mmktn.synthetic.scene import Person, Scene
from mmktn.synthetic.texture import random_light
from mmktn.synthetic.wardrobe import Outfit, random_outfit

Action = Literal["walk", "cross", "dance"]
CameraWay = Literal["still", "pan", "shaking"]
_STEP_M = 0.72
# A vertex is seen if what is seen at its pixel is no nearer than this, metres.
_IN_FRONT_M = 0.025


@dataclass(frozen=True)
class ClipOptions:
    """What a clip shows.

    Attributes:
        seed: of everything.
        frames: number of frames.
        rate: frames per second.
        size_hw: rows and columns.
        action: "walk": one person walks by and turns; "cross": two walk in front of each other;
            "dance": one stays and moves arms and trunk.
        camera: "still", "pan" follows the first person, "shaking" is held by hand.
        grain: strength of the noise that differs from frame to frame, of 255.
        points: number of body points.
        surface: name or path for `mmktn.surface.load_surface`.
    """

    seed: int = 0
    frames: int = 48
    rate: float = 25.0
    size_hw: tuple[int, int] = (360, 480)
    action: Action = "walk"
    camera: CameraWay = "still"
    grain: float = 3.0
    points: int = 400
    surface: str = GeneratorOptions().surface

    def __post_init__(self) -> None:
        if self.frames < 1 or self.rate <= 0 or min(self.size_hw) < 64:
            raise ValueError("a clip needs a frame, a rate above 0 and 64 rows and columns")


@dataclass
class ClipFrame:
    """One frame.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        labels: what is seen; instance k is the k-th of `labels.people`.
        numbers: of these people, from 1, the same on every frame.
        points: number of a person -> (P, 3) column, row and 1 where the body point is seen.
        vertices: (P,) the vertex that each body point is.
    """

    picture: NDArray[np.uint8]
    labels: Labels
    numbers: list[int]
    points: dict[int, NDArray[np.float64]]
    vertices: NDArray[np.int64]


@dataclass
class _Walker:
    """One person of a clip.

    Attributes:
        start, end: (2,) x and z on the ground, metres.
        speed: of the gait; 0 stands.
        arms: how far the arms are held away, degrees.
    """

    shape: Shape
    outfit: Outfit
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    speed: float
    phase: float
    arms: tuple[float, float]
    yaw: float


def make_clip(options: ClipOptions) -> Iterator[ClipFrame]:
    """Render a clip.

    Args:
        options: what it shows.

    Yields:
        Frames in order; two calls give the same.
    """
    template = load_template(options.surface)
    rng = np.random.default_rng([options.seed, 77])
    light = random_light(rng)
    while not light.place:  # only photographed places move with the camera
        light = random_light(rng)
    distance = 4.2
    walkers = _walkers(template, rng, options, distance)
    seen_all = np.random.default_rng(1).permutation(template.mesh.num_vertices)
    vertices = np.sort(seen_all[: options.points])
    min_pixels = max(60, round(0.0016 * options.size_hw[0] * options.size_hw[1]))
    for number in range(options.frames):
        share = number / max(options.frames - 1, 1)
        seconds = number / options.rate
        people = [_person(template, walker, share, seconds, options) for walker in walkers]
        camera = _camera(options, people, distance, seconds)
        yield _frame(template, options, number, Scene(camera, people, light), vertices, min_pixels)


def _frame(
    template: Template,
    options: ClipOptions,
    number: int,
    scene: Scene,
    vertices: NDArray[np.int64],
    min_pixels: int,
) -> ClipFrame:
    labels = render_labels(scene, template, min_pixels=min_pixels)
    # The same source on every frame: the same place, the same lens.
    rng = np.random.default_rng([options.seed, 78])
    picture = render_image(scene, labels.people, template, rng=rng)
    grain = np.random.default_rng([options.seed, 79, number]).standard_normal(picture.shape)
    noisy = np.clip(picture + options.grain * grain, 0, 255).astype(np.uint8)
    numbers = [
        next(k for k, person in enumerate(scene.people, start=1) if person is shown)
        for shown in labels.people
    ]
    points = {who: _body_points(scene.camera, labels, k, vertices) for k, who in enumerate(numbers)}
    return ClipFrame(noisy, labels, numbers, points, vertices)


def _body_points(
    camera: Camera, labels: Labels, index: int, vertices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (P, 3) column, row, and whether the person's body is seen there at that depth."""
    image = camera.project(labels.people[index].figure.vertices[vertices])
    column, row = (np.floor(image[:, k]).astype(np.int64) for k in (0, 1))
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    seen = inside & (labels.maps.instance[row, column] == index + 1)
    seen &= image[:, 2] < labels.rasters[index].depth[row, column] + _IN_FRONT_M
    return np.stack([image[:, 0], image[:, 1], seen.astype(np.float64)], axis=1)


def _walkers(
    template: Template, rng: np.random.Generator, options: ClipOptions, distance: float
) -> list[_Walker]:
    seconds = options.frames / options.rate
    out = []
    for k in range(2 if options.action == "cross" else 1):
        speed = float(rng.uniform(0.75, 1.0))
        way = min(speed * 1.3 * seconds, 2.6)
        sign = 1.0 if k == 0 else -1.0
        ends: NDArray[np.float64] = np.zeros((2, 2))
        if options.action == "dance":
            speed = 0.0
        else:
            depth = 0.0 if k == 0 else -0.75
            slant = float(rng.uniform(-0.25, 0.25))
            ends[:] = [-sign * way / 2, depth - slant], [sign * way / 2, depth + slant]
        shape = random_shape(template, rng)
        out.append(
            _Walker(
                shape=shape,
                outfit=random_outfit(rng, shape.traits),
                start=ends[0],
                end=ends[1],
                speed=speed,
                phase=float(rng.uniform(0, 2 * np.pi)),
                arms=(float(rng.uniform(6, 14)), float(rng.uniform(6, 14))),
                yaw=float(rng.uniform(-0.4, 0.4)),
            )
        )
    return out


def _person(
    template: Template, walker: _Walker, share: float, seconds: float, options: ClipOptions
) -> Person:
    way = walker.end - walker.start
    length = float(np.linalg.norm(way))
    if options.action == "dance":
        pose = _dancing(walker.phase, seconds)
        yaw = walker.yaw + 0.5 * np.sin(1.9 * seconds)
    else:
        pose = gait(walker.speed, walker.phase + np.pi * share * length / _STEP_M, walker.arms)
        # Nobody is watched from the side alone: everyone looks a little towards the camera.
        yaw = float(np.arctan2(way[0], way[1])) * 0.6
    if options.action == "walk":
        yaw += 0.5 * np.sin(2 * np.pi * 0.25 * seconds)
    figure = make_figure(template, walker.shape, joint_rotations(template.skeleton, pose))
    dress_figure(template, figure, walker.outfit)
    place = walker.start + share * way
    return Person(figure.placed(np.array([place[0], 0.0, place[1]]), float(yaw)), walker.outfit)


def _dancing(phase: float, seconds: float) -> PoseAngles:
    beat = phase + 2 * np.pi * 0.9 * seconds
    pose = gait(0.45, beat, (12.0, 12.0))
    pose.left_arm.raise_side = 70 + 55 * np.sin(beat)
    pose.right_arm.raise_side = 70 + 55 * np.sin(beat + 2.0)
    pose.left_arm.bend = 40 + 35 * np.sin(beat / 2)
    pose.right_arm.bend = 40 + 35 * np.cos(beat / 2)
    pose.torso = (4.0, 18 * np.sin(beat / 2), 8 * np.sin(beat))
    pose.head = (0.0, 15 * np.sin(beat / 2 + 1), 0.0)
    return pose


def _camera(options: ClipOptions, people: list[Person], distance: float, seconds: float) -> Camera:
    height, width = options.size_hw
    focal = 0.72 * height * distance / 1.75
    eye = 1.35
    yaw, pitch, roll = 0.0, float(np.arctan2(0.87 - eye, distance)), 0.0
    position = np.array([0.0, eye, distance])
    if options.camera == "pan":
        middle = people[0].figure.joints[0]
        yaw = -0.7 * float(np.arctan2(middle[0] - position[0], position[2] - middle[2]))
        position = position + np.array([0.15 * np.sin(1.3 * seconds), 0.0, 0.0])
    elif options.camera == "shaking":
        sway = [np.sin(2 * np.pi * f * seconds + f) for f in (1.1, 1.7, 2.6, 0.8)]
        yaw, pitch = 0.02 * sway[0], pitch + 0.012 * sway[1]
        roll = 0.015 * sway[2]
        position = position + np.array([0.06 * sway[3], 0.03 * sway[1], 0.05 * sway[0]])
    return Camera(focal, height, width, position, yaw, pitch, roll)
