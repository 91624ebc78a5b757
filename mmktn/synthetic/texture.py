"""Colours of a person's visible surface points: skin, face, hair, cloth patterns, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.body import Template
from mmktn.synthetic.camera import rotation_about
from mmktn.synthetic.noise import blend
from mmktn.synthetic.surroundings import harmonics, load_surroundings
from mmktn.synthetic.wardrobe import Cloth, Outfit, noise_slope, sample_noise, zones

_LIPS = np.array([0.70, 0.32, 0.30], np.float32)


@dataclass
class Light:
    """Light of a scene.

    Attributes:
        direction: (3,) unit vector towards the key light, world frame.
        key: RGB strength of the key light.
        ambient: RGB strength from above.
        bounce: RGB strength from below.
        place: name of the panorama the light comes from, "" for a light of its own.
        yaw: turn of that panorama about the vertical, radians.
        shadow: how dark the key light's shadows are, 0..1.
    """

    direction: NDArray[np.float64]
    key: NDArray[np.float32]
    ambient: NDArray[np.float32]
    bounce: NDArray[np.float32]
    place: str = ""
    yaw: float = 0.0
    shadow: float = 0.5

    def shade(
        self, normals: NDArray[np.float64], lit: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the factors (N, 3) of surface points' colours.

        Args:
            normals: (N, 3) unit normals, world frame.
            lit: (N,) share of the key light that arrives; all of it where not given.

        Returns:
            (N, 3); of a panorama's light its display value, since colours are display values.
        """
        lambert = np.clip(normals @ self.direction, 0, None).astype(np.float32)
        if lit is not None:
            lambert = lambert * (1 - self.shadow * (1 - lit))
        if self.place:
            turned = normals @ rotation_about("y", self.yaw).T
            ambient = harmonics(turned) @ load_surroundings().ambient[self.place]
            total = np.maximum(ambient, 0.02) + lambert[:, None] * self.key
            return np.asarray(total / (1 + 0.2 * total), np.float32) ** np.float32(1 / 2.2)
        up = (0.5 + 0.5 * normals[:, 1]).astype(np.float32)[:, None]
        return lambert[:, None] * self.key + up * self.ambient + (1 - up) * self.bounce


def random_light(rng: np.random.Generator) -> Light:
    """Draw the light of a photographed place, or one of its own.

    The latter comes from the camera's half space, hard or soft, slightly tinted.
    """
    if rng.random() < 0.75:
        return _light_of_place(rng)
    direction = np.array([rng.normal(0, 0.7), rng.uniform(0.1, 1.2), rng.uniform(0.1, 1.0)])
    direction /= np.linalg.norm(direction)
    hard, level = rng.uniform(0.25, 0.8), rng.uniform(0.85, 1.3)
    tints = 1 + rng.normal(0, 0.05, (3, 3)).astype(np.float32)
    key = np.float32(level * hard * 1.1) * tints[0]
    ambient = np.float32(level * (1 - 0.55 * hard)) * tints[1]
    bounce = np.float32(level * (1 - 0.55 * hard) * rng.uniform(0.35, 0.75)) * tints[2]
    return Light(direction, key, ambient, bounce)


def _light_of_place(rng: np.random.Generator) -> Light:
    stock = load_surroundings()
    name = list(stock.panoramas)[int(rng.integers(len(stock.panoramas)))]
    yaw = float(rng.uniform(-np.pi, np.pi))
    direction, strength = stock.suns[name]
    world = rotation_about("y", -yaw) @ direction
    key = (strength * rng.uniform(0.5, 1.2)).astype(np.float32)
    key *= 1 + rng.normal(0, 0.04, 3).astype(np.float32)
    none = np.zeros(3, np.float32)
    return Light(world, key, none, none, name, yaw, float(rng.uniform(0.3, 0.9)))


def surface_colors(
    outfit: Outfit, template: Template, rest: NDArray[np.float64], charts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the unlit colours of surface points.

    Args:
        outfit: the person's clothes.
        template: the surface's tables.
        rest: (N, 4) places as in `Template.garment`, metres.
        charts: (N,) chart numbers 1..24.

    Returns:
        (N, 3) RGB in about [0, 1].
    """
    zone = zones(outfit, rest, charts)
    grain = sample_noise(outfit, rest, per_metre=700)
    colors = outfit.skin * (0.92 + 0.16 * grain[:, None])
    _draw_face(colors, outfit, template, rest, charts)
    colors[zone.sock] = outfit.sock * (0.85 + 0.3 * grain[zone.sock, None])
    for mask, cloth in ((zone.bottom, outfit.bottom), (zone.top, outfit.top)):
        colors[mask] = _cloth_colors(cloth, outfit, rest[mask])
    _draw_trim(colors, outfit, rest, zone.top, zone.bottom)
    if outfit.open_front:  # a shirt under the open jacket
        x, y, z = rest[:, :3].T
        gap = (charts <= 2) & (z > 0) & (np.abs(x) < 1.2 * outfit.open_front)
        gap &= ~zone.top & (y > outfit.hem) & (y < outfit.neckline)
        colors[gap] = outfit.accent * (0.9 + 0.2 * grain[gap, None])
    colors[zone.shoe] = outfit.shoe * (0.85 + 0.3 * grain[zone.shoe, None])
    sole = zone.shoe & (rest[:, 1] < 0.018)
    colors[sole] = np.array([0.85, 0.85, 0.82], np.float32) * (1 - outfit.shoe.mean() * 0.6)
    strands = sample_noise(outfit, rest[zone.hair, :3] * [1.0, 0.25, 1.0], per_metre=1500)
    colors[zone.hair] = outfit.hair * (0.6 + 0.7 * strands[:, None])
    return colors


def _cloth_colors(cloth: Cloth, outfit: Outfit, rest: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, 3) colours of a fabric at rest positions."""
    across = (rest[:, 0] + 0.6 * rest[:, 2]) / cloth.period
    up = rest[:, 1] / cloth.period
    base, second = cloth.colors[0], cloth.colors[1]
    if cloth.pattern == "stripes":
        weight = (up % 1.0) < 0.5
    elif cloth.pattern == "bars":
        weight = (across % 1.0) < 0.35
    elif cloth.pattern == "checks":
        weight = ((up % 1.0) < 0.5) ^ ((across % 1.0) < 0.5)
    elif cloth.pattern == "dots":
        weight = ((up % 1.0) - 0.5) ** 2 + ((across % 1.0) - 0.5) ** 2 < 0.08
    elif cloth.pattern == "camouflage":
        weight = sample_noise(outfit, rest, per_metre=180) > 0.55
    elif cloth.pattern == "panel":
        weight = np.abs(rest[:, 0]) > 0.11 + 0.3 * np.clip(1.2 - rest[:, 1], -0.1, 0.1)
    else:
        weight = np.zeros(len(rest), bool)
    colors = blend(base, second, weight.astype(np.float32))
    if cloth.pattern == "print" and cloth.print is not None:
        height, width = cloth.print.shape[:2]
        scale = max(cloth.period, 0.05) * 5
        row = ((-rest[:, 1] / scale) % 1.0 * height).astype(np.int64)
        column = ((rest[:, 0] + 0.6 * rest[:, 2]) / scale % 1.0 * width).astype(np.int64)
        colors = cloth.print[row, column]
    folds = sample_noise(outfit, rest[:, :3] * [1.0, 0.6, 1.0], per_metre=260)
    thread = sample_noise(outfit, rest, per_metre=1900)
    return colors * (1 + 0.25 * cloth.wrinkle * (folds - 0.5) + 0.12 * (thread - 0.5))[:, None]


def layer_colors(outfit: Outfit, part: str, places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the unlit colours (N, 3) of points on a layer.

    Args:
        outfit: the person's clothes.
        part: of the layer.
        places: (N, 4) as in `Template.garment`.
    """
    if part in ("top", "bottom"):
        return _cloth_colors(getattr(outfit, part), outfit, places)
    if part == "hair":
        strands = sample_noise(outfit, places[:, :3] * [1.0, 0.15, 1.0], per_metre=1500)
        return outfit.hair * (0.55 + 0.8 * strands[:, None])
    thread = sample_noise(outfit, places, per_metre=900)
    return (outfit.shoe if part == "shoe" else outfit.accent) * (0.85 + 0.3 * thread[:, None])


def folded(
    normals: NDArray[np.float64],
    outfit: Outfit,
    places: NDArray[np.float64],
    wrinkle: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the normals (N, 3) of cloth, tilted by folds of strength (N,), 0..1."""
    slope = noise_slope(outfit, places[:, :3] * [1.0, 0.55, 1.0], per_metre=170)
    tilt = np.zeros_like(normals)
    tilt[:, :2] = -4.0 * wrinkle[:, None] * slope
    bent = normals + tilt - (tilt * normals).sum(axis=1, keepdims=True) * normals
    return np.asarray(bent / np.linalg.norm(bent, axis=1, keepdims=True), np.float64)


def _draw_trim(
    colors: NDArray[np.float32],
    outfit: Outfit,
    rest: NDArray[np.float64],
    top: NDArray[np.bool_],
    bottom: NDArray[np.bool_],
) -> None:
    """Belt or waistband, cuffs, buttons and a print on the chest, in place."""
    x, y, z, along_arm = rest.T
    trim = outfit.top.colors[2]
    if outfit.bottom is not outfit.top:
        belt = bottom & (np.abs(y - outfit.hem - 0.005) < 0.02)
        colors[belt] = outfit.bottom.colors[2] * 0.7
    arm = np.abs(along_arm - outfit.sleeve + 0.012) < 0.012
    colors[top & arm & (np.abs(x) > 0.2)] = trim
    chest = top & (z > 0.03)
    if outfit.top.period < 0.07:
        size = 0.04 + outfit.top.period
        badge = chest & ((x / size) ** 2 + ((y - 1.24) / (0.8 * size)) ** 2 < 1)
        colors[badge] = trim
    elif outfit.top.period > 0.11:
        colors[chest & (np.abs(x) < 0.007)] = trim


def _draw_face(
    colors: NDArray[np.float32],
    outfit: Outfit,
    template: Template,
    rest: NDArray[np.float64],
    charts: NDArray[np.int64],
) -> None:
    """Eyes, brows, lips, cheeks, beard and glasses, in place."""
    face = np.nonzero((charts >= 23) & (rest[:, 2] > 0.02))[0]
    if len(face) == 0:
        return
    eye, nose = template.garment_at("left_eye"), template.garment_at("nose")
    x, y, z = np.abs(rest[face, 0]), rest[face, 1], rest[face, 2]
    paint = colors[face]
    mouth = nose[1] - 0.035
    if outfit.beard:
        chin = (y < nose[1] - 0.025) & (y > nose[1] - 0.12)
        paint[chin] = 0.35 * paint[chin] + 0.65 * outfit.hair
    cheek = np.exp(-((x - 0.05) ** 2 + (y - nose[1] + 0.01) ** 2) / 0.025**2).astype(np.float32)
    paint *= 1 + cheek[:, None] * np.array([0.05, -0.06, -0.06], np.float32)
    paint[(y - mouth) ** 2 / 0.007**2 + (x / 0.026) ** 2 < 1] = _LIPS * outfit.skin.mean() * 1.4
    brow = (np.abs(y - eye[1] - 0.024) < 0.006) & (np.abs(x - eye[0]) < 0.02)
    paint[brow & (z > 0.04)] = 0.5 * paint[brow & (z > 0.04)] + 0.4 * outfit.hair
    distance = ((x - eye[0]) / 0.015) ** 2 + ((y - eye[1]) / 0.007) ** 2
    white = np.array([0.85, 0.83, 0.8], np.float32) * (0.55 + 0.45 * outfit.skin.mean())
    paint[(distance < 1) & (z > 0.04)] = white
    iris = (x - eye[0]) ** 2 + (y - eye[1]) ** 2 < 0.007**2
    paint[iris & (z > 0.04)] = np.array([0.12, 0.09, 0.08], np.float32)
    if outfit.glasses:
        paint[(distance < 2.6) & (z > 0.03)] = np.array([0.07, 0.07, 0.09], np.float32)
    colors[face] = paint
