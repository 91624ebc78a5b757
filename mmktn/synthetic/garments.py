"""What hangs off the body: tops, sleeves, trousers, skirts, coats, shoes, hair, hats, bags.

Layers are meshes of their own around the posed body. They change what a picture shows, never what
is labelled: labels are those of the body underneath. Two ways to make one: a shell lifts part of
the body's skin along its normals; a tube lays rings round all skin at certain places of the rest
body, so that a skirt spans both thighs wherever they point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.mesh import vertex_normals_of
from mmktn.synthetic.body import Figure, Layer, Template
from mmktn.synthetic.wardrobe import Outfit, sample_noise, zones

_DIRECTIONS = 36
_LEGS = (8, 10, 12, 14), (7, 9, 11, 13)  # charts of the left side, of the right
_ARMS = (15, 17, 19, 21), (16, 18, 20, 22)


@dataclass
class Rings:
    """Where a tube runs.

    Attributes:
        levels: (K,) values of the coordinate, in order.
        slack: (K,) metres by which each ring stands off the skin.
        cling: share of a ring's width that the next one keeps at least; 0 follows the body.
        pleats: depth of the waves of the last ring, relative to its width.
        keep: range of angles that is kept, radians; 0 is the person's left, pi / 2 the front.
    """

    levels: NDArray[np.floating]
    slack: NDArray[np.floating]
    cling: float = 0.0
    pleats: float = 0.0
    keep: tuple[float, float] = (0.0, 2 * np.pi)


def dress_figure(template: Template, figure: Figure, outfit: Outfit) -> None:
    """Add the layers of an outfit to a posed figure, in place."""
    skin = _Skin(template, figure, outfit)
    parts = skin.tops, skin.bottoms, skin.shoes, skin.hair, skin.hats, skin.bags
    layers = [layer for part in parts for layer in part()]
    figure.layers.extend(layer for layer in layers if layer is not None)


class _Skin:
    """A figure with what the makers of layers ask for again and again."""

    def __init__(self, template: Template, figure: Figure, outfit: Outfit) -> None:
        self.template, self.figure, self.outfit = template, figure, outfit
        self.charts = template.vertex_charts
        self.places = template.garment
        self.zone = zones(outfit, self.places, self.charts)
        points = figure.keypoints
        self.side = points["left_hip"] - points["right_hip"]
        self.scale = figure.size

    def shell(
        self, chosen: NDArray[np.bool_], offset: NDArray[np.floating], part: str, rounds: int = 0
    ) -> Layer | None:
        """Return the faces whose three vertices are chosen, lifted by `offset` (V,) metres."""
        faces = self.template.mesh.faces
        faces = faces[chosen[faces].all(axis=1)]
        if len(faces) == 0:
            return None
        vertices, normals = self.figure.vertices, self.figure.normals
        smooth = vertices
        for _ in range(rounds):
            smooth = self.template.neighbours @ smooth
        if rounds:
            inside = ((smooth - vertices) * normals).sum(axis=1, keepdims=True)
            smooth = smooth - np.minimum(inside, 0) * normals
        used, index = np.unique(faces, return_inverse=True)
        points = smooth[used] + offset[used, None] * normals[used]
        return _layer(points, index.reshape(-1, 3), self.places[used], part)

    def tube(
        self,
        chosen: NDArray[np.bool_],
        coordinate: NDArray[np.floating],
        rings: Rings,
        part: str,
        side: NDArray[np.floating] | None = None,
    ) -> Layer | None:
        """Return rings round the chosen vertices (V,) at levels of a coordinate (V,), joined."""
        step = float(np.abs(np.diff(rings.levels)).mean()) if len(rings.levels) > 1 else 0.03
        bands, kept = [], []
        for k, level in enumerate(rings.levels):
            band = chosen & (np.abs(coordinate - level) < max(0.022, 0.6 * step))
            if band.sum() >= 6:
                bands.append(self.figure.vertices[band])
                kept.append(k)
        if len(bands) < 2:
            return None
        angles = np.linspace(*rings.keep, _DIRECTIONS + 1)
        middles = np.stack([band.mean(axis=0) for band in bands])
        way = np.gradient(middles, axis=0)
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        lateral = self.side if side is None else side
        wide: NDArray[np.floating] = np.zeros(len(angles))
        rows, places = [], []
        for k, band, middle, axis in zip(kept, bands, middles, way, strict=True):
            lateral = lateral - (lateral @ axis) * axis
            lateral = lateral / max(float(np.linalg.norm(lateral)), 1e-9)
            front = np.cross(axis, lateral)
            toward = np.cos(angles)[:, None] * lateral + np.sin(angles)[:, None] * front
            reach = ((band - middle) @ toward.T).max(axis=0)
            wide = np.maximum(reach, rings.cling * wide)
            share = (k + 1) / len(rings.levels)
            wave = 1 + rings.pleats * share * np.cos(9 * angles + self.outfit.phase)
            rows.append(middle + ((wide + rings.slack[k]) * wave)[:, None] * toward)
            places.append(
                np.stack(
                    [
                        angles * max(float(wide.mean()), 0.04),
                        np.full(len(angles), rings.levels[k]),
                        np.zeros(len(angles)),
                        np.zeros(len(angles)),
                    ],
                    axis=1,
                )
            )
        return _layer(
            np.concatenate(rows), _grid_faces(len(rows), len(angles)), np.concatenate(places), part
        )

    def tops(self) -> list[Layer | None]:
        """Torso, sleeves and the tail of the upper garment."""
        outfit, fit = self.outfit, self.outfit.top_fit * self.scale
        if fit < 0.004:
            return []
        folds = 0.6 + 0.8 * sample_noise(outfit, self.places, per_metre=120)
        made = [self.shell(self.zone.top, fit * folds, "top", rounds=int(200 * fit))]
        for charts in _ARMS if outfit.sleeve > 0.1 else ():
            levels = np.linspace(0.02, min(outfit.sleeve, 0.52), 9)
            slack = fit * np.linspace(0.8, 1.2 + outfit.flare, 9)
            rings = Rings(levels, slack, pleats=0.05)
            chosen = np.isin(self.charts, charts)
            ahead = np.cross([0.0, 1.0, 0.0], self.side)
            made.append(self.tube(chosen, self.places[:, 3], rings, "top", -ahead))
        if outfit.tail_end < outfit.hem:
            gap = 2.2 * outfit.open_front
            levels = np.arange(outfit.hem + 0.1, outfit.tail_end, -0.035)
            rings = Rings(
                levels,
                fit + np.linspace(0, 0.12 * (levels[0] - levels[-1]), len(levels)) * outfit.flare,
                cling=0.97,
                pleats=0.03,
                keep=(np.pi / 2 + gap, 5 * np.pi / 2 - gap),
            )
            made.append(self.tube(self.lower_body(), self.places[:, 1], rings, "top"))
        return made

    def lower_body(self) -> NDArray[np.bool_]:
        """Return (V,) torso and legs."""
        return (self.charts <= 2) | ((self.charts >= 7) & (self.charts <= 14))

    def bottoms(self) -> list[Layer | None]:
        """Return the skirt or trouser legs."""
        outfit = self.outfit
        if outfit.skirt:
            tiers = np.arange(outfit.hem + 0.05, outfit.leg_end - 0.02, -0.035)
            slack = 0.006 + outfit.flare * np.linspace(0, 0.35, len(tiers)) * (tiers[0] - tiers[-1])
            rings = Rings(tiers, slack * self.scale, cling=0.985, pleats=outfit.pleats)
            return [self.tube(self.lower_body(), self.places[:, 1], rings, "bottom")]
        if outfit.leg_fit < 0.005:
            return []
        made = []
        levels = np.linspace(0.84, max(outfit.leg_end, 0.06), 16)
        slack = outfit.leg_fit * np.linspace(0.7, 1.0 + outfit.flare, 16) * self.scale
        for charts in _LEGS:
            rings = Rings(levels, slack, cling=0.8, pleats=0.04)
            chosen = np.isin(self.charts, charts)
            made.append(self.tube(chosen, self.places[:, 1], rings, "bottom"))
        return made

    def shoes(self) -> list[Layer | None]:
        """Return the shoes without toes."""
        if not self.outfit.shod:
            return []
        lift = np.full(len(self.charts), 0.009 * self.scale)
        return [self.shell(self.zone.shoe, lift, "shoe", rounds=8)]

    def hair(self) -> list[Layer | None]:
        """Return the volume on the scalp and long hair down the neck."""
        outfit = self.outfit
        if outfit.bald:
            return []
        volume = outfit.hair_volume * self.scale
        locks = 0.55 + 0.9 * sample_noise(outfit, self.places, per_metre=250)
        made = [self.shell(self.zone.hair, volume * locks, "hair", rounds=2)]
        if outfit.hair_back < 1.46:
            around = (np.abs(self.places[:, 0]) < 0.13) & (
                (self.charts >= 23) | ((self.charts <= 2) & (self.places[:, 1] > 1.1))
            )
            levels = np.arange(1.63, outfit.hair_back, -0.03)
            points = self.figure.keypoints
            rings = Rings(
                levels,
                np.full(len(levels), volume * 0.8),
                cling=0.86,
                pleats=0.06,
                keep=(np.pi * 0.88, np.pi * 2.12),
            )
            side = points["left_ear"] - points["right_ear"]
            made.append(self.tube(around, self.places[:, 1], rings, "hair", side))
        return made

    def hats(self) -> list[Layer | None]:
        """Return the Beanie, cap or a hat with a brim all round."""
        outfit = self.outfit
        if not outfit.hat:
            return []
        head = self.charts >= 23
        lift = np.full(len(head), 0.014 * self.scale)
        made = [self.shell(head & (self.places[:, 1] > 1.625), lift, "hat", rounds=4)]
        if outfit.hat != "beanie":
            points = self.figure.keypoints
            side = points["left_ear"] - points["right_ear"]
            brim = 0.065 * self.scale
            full = (0.0, 2 * np.pi)
            rings = Rings(
                np.array([1.648, 1.638, 1.628]),
                np.array([0.012, 0.012 + 0.5 * brim, 0.012 + brim]),
                cling=0.99,
                keep=(np.pi * 0.18, np.pi * 0.82) if outfit.hat == "cap" else full,
            )
            made.append(self.tube(head, self.places[:, 1], rings, "hat", side))
        return made

    def bags(self) -> list[Layer | None]:
        """Return a backpack or a bag at the hip."""
        if not self.outfit.bag:
            return []
        points = self.figure.keypoints
        up = points["neck"] - 0.5 * (points["left_hip"] + points["right_hip"])
        up = up / np.linalg.norm(up)
        left = self.side / np.linalg.norm(self.side)
        ahead = np.cross(left, up)
        if self.outfit.bag == "backpack":
            middle = points["neck"] - 0.24 * self.scale * up - 0.2 * self.scale * ahead
            size = np.array([0.16, 0.23, 0.1])
        else:
            middle = points["left_hip"] - 0.05 * self.scale * up + 0.16 * self.scale * left
            size = np.array([0.07, 0.12, 0.15])
        lift, turn = np.meshgrid(
            np.linspace(-np.pi / 2, np.pi / 2, 9), np.linspace(0, 2 * np.pi, 17)
        )
        ball = np.stack(
            [np.cos(lift) * np.cos(turn), np.sin(lift), np.cos(lift) * np.sin(turn)], -1
        )
        ball = np.sign(ball) * np.abs(ball) ** 0.55
        local = ball.reshape(-1, 3) * size * self.scale
        vertices = middle + local @ np.stack([left, up, ahead])
        places = np.concatenate([local, np.zeros((len(local), 1))], axis=1)
        return [_layer(vertices, _grid_faces(17, 9), places, "bag")]


def _grid_faces(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the triangles of a grid of points, row after row."""
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    first = np.stack([a, b, c], axis=-1).reshape(-1, 3)
    return np.concatenate([first, np.stack([b, d, c], axis=-1).reshape(-1, 3)])


def _layer(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    places: NDArray[np.floating],
    part: str,
) -> Layer:
    points = np.asarray(vertices, np.float64)
    normals = vertex_normals_of(points, faces)
    return Layer(points, normals, faces, np.asarray(places, np.float64), part)
