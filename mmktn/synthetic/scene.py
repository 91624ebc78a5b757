"""Scenes: who stands where, seen from where, lit how, behind what.

Everything about a scene is drawn from one random generator before anything is rendered, so that a
scene can be looked at, changed and rendered at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.annotate import crowd_index
from mmktn.synthetic.body import Figure, Template, make_figure, random_shape
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.garments import dress_figure
from mmktn.synthetic.occluder import Occluder, random_occluder
from mmktn.synthetic.pose import joint_rotations, random_pose
from mmktn.synthetic.texture import Light, random_light
from mmktn.synthetic.wardrobe import Outfit, random_outfit

_BODY_HEIGHT_M = 1.7
_MIN_GAP_M = 0.42
# The renderer keeps some dozen numbers for each pixel.
_MAX_PIXELS = 1 << 24


@dataclass(frozen=True)
class SceneOptions:
    """What scenes may look like.

    Attributes:
        size_hw: rows and columns of the image.
        people: least and greatest number of persons.
        occluder_rate: probability of an object in front of somebody.
        max_yaw_deg: greatest turn away from the camera, degrees; 180 lets people turn their backs.
    """

    size_hw: tuple[int, int] = (320, 256)
    people: tuple[int, int] = (1, 4)
    occluder_rate: float = 0.25
    max_yaw_deg: float = 180.0

    def __post_init__(self) -> None:
        if min(self.size_hw) < 64:
            raise ValueError(f"size_hw {self.size_hw}: images need at least 64 rows and columns")
        if self.size_hw[0] * self.size_hw[1] > _MAX_PIXELS:
            raise ValueError(f"size_hw {self.size_hw}: more than {_MAX_PIXELS} pixels")
        if not 1 <= self.people[0] <= self.people[1] <= 20:
            raise ValueError(f"people {self.people}: need 1 <= least <= greatest <= 20")
        if not 0 <= self.occluder_rate <= 1:
            raise ValueError(f"occluder_rate {self.occluder_rate}: need a probability")
        if not 0 <= self.max_yaw_deg <= 180:
            raise ValueError(f"max_yaw_deg {self.max_yaw_deg}: need 0 to 180 degrees")


@dataclass
class Person:
    """One person of a scene: the placed figure and the clothes."""

    figure: Figure
    outfit: Outfit


@dataclass
class Scene:
    """A scene ready to be rendered."""

    camera: Camera
    people: list[Person]
    light: Light
    occluders: list[Occluder] = field(default_factory=list)

    @property
    def horizon(self) -> float:
        """Row of the horizon as a fraction of the image's rows."""
        camera = self.camera
        return 0.5 + camera.focal * float(np.tan(camera.pitch)) / camera.height


def sample_scene(
    template: Template,
    rng: np.random.Generator,
    *,
    options: SceneOptions,
    crowd_target: float | None = None,
) -> Scene:
    """Draw a scene.

    Args:
        template: the surface's tables.
        rng: random source.
        options: limits.
        crowd_target: crowdIndex to aim at; people then stand in a row whose spacing is chosen to
            come near it. Without it people stand freely, often in front of each other.

    Returns:
        The scene.
    """
    count = _number_of_people(rng, options.people, crowd_target)
    camera, distance = _random_camera(rng, options.size_hw, count)
    people = [_random_person(template, rng) for _ in range(count)]
    yaws = [_random_yaw(rng, options.max_yaw_deg) for _ in range(count)]
    if crowd_target is None:
        positions = _free_positions(rng, camera, distance, count)
    else:
        positions = _row_positions(rng, camera, distance, [p.figure for p in people], crowd_target)
    people = [
        Person(person.figure.placed(position, yaw), person.outfit)
        for person, position, yaw in zip(people, positions, yaws, strict=False)
    ]
    scene = Scene(camera, people, random_light(rng))
    if rng.random() < options.occluder_rate:
        scene.occluders.append(_occluder_before(rng, scene))
    return scene


def projected_box(camera: Camera, figure: Figure) -> NDArray[np.float64]:
    """Return (4,) x0, y0, x1, y1 of a figure in the image, cut at its edges."""
    points = camera.project(figure.vertices)
    limit = [camera.width, camera.height]
    low = np.clip(points[:, :2].min(axis=0), 0, limit)
    return np.concatenate([low, np.clip(points[:, :2].max(axis=0), 0, limit)])


def _number_of_people(
    rng: np.random.Generator, people: tuple[int, int], crowd_target: float | None
) -> int:
    least, greatest = people
    if crowd_target is not None:
        least = min(max(least, 3 if crowd_target > 0.6 else 2), greatest)
        return int(rng.integers(least, greatest + 1))
    weights = 0.75 ** np.arange(greatest - least + 1)
    return least + int(rng.choice(len(weights), p=weights / weights.sum()))


def _random_camera(
    rng: np.random.Generator, size_hw: tuple[int, int], count: int
) -> tuple[Camera, float]:
    """Return a camera and the ground distance at which a standing person has the wanted size."""
    height, width = size_hw
    focal = float(rng.uniform(0.9, 2.0)) * max(size_hw)
    fill = rng.uniform(0.55, 1.0) if count == 1 else rng.uniform(0.42, 0.9)
    if rng.random() < 0.12:  # a close-up that the image edge cuts off
        fill = rng.uniform(1.0, 1.6)
    fill *= min(1.0, 1.6 * width / height)
    distance = focal * _BODY_HEIGHT_M / (fill * height)
    eye = rng.uniform(2.0, 3.5) if rng.random() < 0.12 else rng.uniform(0.5, 1.9)
    aim_height = 0.85 if fill < 1 else rng.uniform(0.5, 1.35)
    aim_row = height * rng.normal(0.5, 0.04)
    pitch = np.arctan2(aim_height - eye, distance) + np.arctan2(aim_row - height / 2, focal)
    camera = Camera(
        focal=focal,
        height=height,
        width=width,
        position=np.array([0.0, eye, distance]),
        pitch=float(pitch),
        roll=float(np.radians(np.clip(rng.normal(0, 2), -6, 6))),
    )
    return camera, float(distance)


def _random_person(template: Template, rng: np.random.Generator) -> Person:
    shape = random_shape(template, rng)
    outfit = random_outfit(rng, shape.traits)
    figure = make_figure(template, shape, joint_rotations(template.skeleton, random_pose(rng)))
    dress_figure(template, figure, outfit)
    return Person(figure, outfit)


def _random_yaw(rng: np.random.Generator, max_yaw_deg: float) -> float:
    """0 looks into the camera: two in five roughly do, one in six turns the back.

    A limit squeezes the circle of directions, so that every scene keeps its other random draws.
    """
    kind = rng.random()
    if kind < 0.42:
        yaw = float(rng.normal(0, 0.4))
    elif kind < 0.58:
        yaw = float(np.pi + rng.normal(0, 0.4))
    else:
        yaw = float(rng.uniform(-np.pi, np.pi))
    if max_yaw_deg >= 180:
        return yaw
    return float((yaw + np.pi) % (2 * np.pi) - np.pi) * max_yaw_deg / 180


def _ground_point(camera: Camera, column: float, distance: float) -> NDArray[np.float64]:
    """Return the ground position at a horizontal distance whose image column is about `column`."""
    x = (column - camera.width / 2) / camera.focal * distance
    return np.array([x, 0.0, camera.position[2] - distance])


def _free_positions(
    rng: np.random.Generator, camera: Camera, distance: float, count: int
) -> list[NDArray[np.float64]]:
    """Places in the picture, often side by side or behind each other, never inside each other."""
    columns = [camera.width * float(np.clip(rng.normal(0.5, 0.14), 0.12, 0.88))]
    placed = [_ground_point(camera, columns[0], distance)]
    for _ in range(count - 1):
        for _attempt in range(12):
            away = distance * float(np.clip(np.exp(rng.normal(0, 0.25)), 0.7, 2.0))
            column = camera.width * rng.uniform(0.08, 0.92)
            if rng.random() < 0.5:
                shift = rng.uniform(0.1, 0.5) * camera.focal / away
                neighbour = columns[int(rng.integers(len(columns)))]
                column = neighbour + float(rng.choice([-1, 1])) * shift
                column = float(np.clip(column, 0, camera.width))
            point = _ground_point(camera, column, away)
            if all(np.linalg.norm(point - other) > _MIN_GAP_M for other in placed):
                placed.append(point)
                columns.append(column)
                break
    return placed


def _row_positions(
    rng: np.random.Generator,
    camera: Camera,
    distance: float,
    figures: list[Figure],
    target: float,
) -> list[NDArray[np.float64]]:
    """Places in a loose row, so far apart that the crowdIndex of unhidden boxes fits best."""
    count = len(figures)
    order = rng.permutation(count) - (count - 1) / 2 + rng.normal(0, 0.15, count)
    # Each one a little behind the one before keeps bodies apart however dense the row is.
    depths = distance * rng.uniform(1.0, 1.1) + rng.permutation(count) * rng.uniform(0.3, 0.5)
    best, best_error = [], np.inf
    for spacing in np.geomspace(0.04, 1.6, 24) * camera.focal / distance:
        columns = camera.width / 2 + order * spacing
        points = [_ground_point(camera, c, d) for c, d in zip(columns, depths, strict=True)]
        error = abs(_unhidden_crowd_index(camera, figures, points) - target)
        inside = ((columns > 0) & (columns < camera.width)).mean()
        error += 2 * (1 - inside)
        if error < best_error:
            best, best_error = points, error
    return best


def _unhidden_crowd_index(
    camera: Camera, figures: list[Figure], points: list[NDArray[np.float64]]
) -> float:
    """Return the crowdIndex if nobody hid anybody."""
    boxes, keypoints = [], []
    for figure, point in zip(figures, points, strict=True):
        # An eighth of the vertices gives the box to about a pixel.
        thinned = Figure(figure.vertices[::8] + point, figure.normals[:0], {}, figure.joints)
        x0, y0, x1, y1 = projected_box(camera, thinned)
        boxes.append([x0, y0, x1 - x0, y1 - y0])
        image = camera.project(np.stack(list(figure.keypoints.values())) + point)
        inside = (image[:, 0] >= 0) & (image[:, 0] < camera.width)
        inside &= (image[:, 1] >= 0) & (image[:, 1] < camera.height)
        keypoints.append(np.concatenate([image[:, :2], inside[:, None]], axis=1))
    return crowd_index(boxes, np.stack(keypoints))


def _occluder_before(rng: np.random.Generator, scene: Scene) -> Occluder:
    person = scene.people[int(rng.integers(len(scene.people)))]
    nearest = scene.camera.project(person.figure.vertices)[:, 2].min()
    return random_occluder(
        rng,
        shape_hw=(scene.camera.height, scene.camera.width),
        target=projected_box(scene.camera, person.figure),
        depth=float(nearest - 0.1),
    )
