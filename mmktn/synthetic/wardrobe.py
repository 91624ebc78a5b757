"""Clothes, hair and skin of a person, drawn at random, as a function of the rest position.

Garments end at heights and lengths on the template, so colours run over chart seams without a
break. Loose cloth and hair also push the surface outwards (`cloth_offset`), which changes the
outline but not the correspondence to the template.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.body import Template
from mmktn.synthetic.noise import fractal_noise, random_color

Color = NDArray[np.float32]

_SKIN_TONES = np.array(
    [
        [0.96, 0.82, 0.72],
        [0.91, 0.74, 0.61],
        [0.83, 0.64, 0.49],
        [0.69, 0.50, 0.36],
        [0.50, 0.34, 0.24],
        [0.33, 0.22, 0.16],
    ],
    np.float32,
)
_HAIR_TONES = np.array(
    [
        [0.06, 0.05, 0.05],
        [0.22, 0.13, 0.08],
        [0.40, 0.25, 0.13],
        [0.78, 0.62, 0.36],
        [0.62, 0.28, 0.12],
        [0.65, 0.64, 0.62],
    ],
    np.float32,
)
NOISE_SIZE = 256
PATTERNS = ("plain", "stripes", "bars", "checks", "dots", "camouflage", "panel")


@dataclass
class Cloth:
    """Pattern of one garment.

    Attributes:
        colors: (3, 3) base colour, second colour, trim, RGB in [0, 1].
        pattern: one of `PATTERNS`.
        period: metres.
        wrinkle: strength of the shading by folds, 0..1.
    """

    colors: NDArray[np.float32]
    pattern: str
    period: float
    wrinkle: float


@dataclass
class Outfit:
    """What a person wears; heights and lengths are metres on the template.

    Attributes:
        skin: RGB.
        hair: RGB; hats too.
        hair_back: height at which hair ends at the back of the head.
        bald: no hair.
        beard: lower face in hair colour.
        glasses: dark band over the eyes.
        top: garment of the upper body.
        bottom: garment of the legs; the same object as `top` for a dress.
        neckline: height of the collar at the front.
        sleeve: length along the arm from the shoulder.
        hem: height at which the top ends.
        leg_end: height at which the bottom ends.
        open_front: half width of an open jacket's gap, 0 for closed tops.
        shoe: RGB of the shoes.
        sock: RGB of the socks.
        sock_top: height of the socks.
        looseness: metres by which cloth stands off.
        noise: (256, 256) periodic-free noise in [0, 1] for folds, hair and camouflage.
    """

    skin: Color
    hair: Color
    hair_back: float
    bald: bool
    beard: bool
    glasses: bool
    top: Cloth
    bottom: Cloth
    neckline: float
    sleeve: float
    hem: float
    leg_end: float
    open_front: float
    shoe: Color
    sock: Color
    sock_top: float
    looseness: float
    noise: NDArray[np.float32]


def random_cloth(rng: np.random.Generator) -> Cloth:
    """Draw a fabric; about half are plain."""
    weights = np.array([0.42, 0.14, 0.1, 0.1, 0.08, 0.08, 0.08])
    colors = np.stack([random_color(rng) for _ in range(3)])
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=weights))]
    return Cloth(colors, pattern, float(rng.uniform(0.035, 0.14)), float(rng.uniform(0.1, 0.45)))


def random_outfit(rng: np.random.Generator) -> Outfit:
    """Draw skin, hair and clothes."""
    tone = _SKIN_TONES[rng.integers(len(_SKIN_TONES))] * rng.uniform(0.9, 1.06)
    hair = _HAIR_TONES[rng.integers(len(_HAIR_TONES))] * rng.uniform(0.7, 1.2)
    if rng.random() < 0.1:  # a cap or dyed hair
        hair = random_color(rng)
    top = random_cloth(rng)
    dress = rng.random() < 0.13
    bottom = top if dress else random_cloth(rng)
    if not dress and rng.random() < 0.35:  # jeans or dark trousers
        shade = (
            np.array([0.16, 0.22, 0.38], np.float32)
            if rng.random() < 0.6
            else np.array([0.1] * 3, np.float32)
        )
        bottom.colors[0] = shade * rng.uniform(0.5, 1.8)
        bottom.pattern = "plain"
    kind = rng.random()
    leg_end = 0.09 if kind < 0.62 else rng.uniform(0.45, 0.75)
    if dress:
        leg_end = rng.uniform(0.4, 0.7)
    return Outfit(
        skin=np.clip(tone, 0, 1).astype(np.float32),
        hair=np.clip(hair, 0, 1).astype(np.float32),
        hair_back=float(rng.choice([1.53, 1.5, 1.44, 1.36, 1.28])),
        bald=rng.random() < 0.08,
        beard=rng.random() < 0.15,
        glasses=rng.random() < 0.12,
        top=top,
        bottom=bottom,
        neckline=float(rng.choice([1.36, 1.41, 1.43, 1.46])),
        sleeve=float(rng.choice([0.0, 0.12, 0.2, 0.45, 0.6], p=[0.12, 0.2, 0.26, 0.1, 0.32])),
        hem=float(rng.uniform(0.86, 1.0)),
        leg_end=float(leg_end),
        open_front=float(rng.uniform(0.02, 0.06)) if rng.random() < 0.18 else 0.0,
        shoe=random_color(rng) * np.float32(rng.choice([0.25, 0.6, 1.0])),
        sock=random_color(rng),
        sock_top=float(rng.choice([0.1, 0.14, 0.22, 0.34])),
        looseness=float(rng.uniform(0.0, 0.016)),
        noise=fractal_noise((NOISE_SIZE, NOISE_SIZE), rng, cells=6, octaves=6, persistence=0.65),
    )


@dataclass
class Zones:
    """Which garment covers each of N rest positions (bool arrays (N,)); later ones lie on top."""

    bottom: NDArray[np.bool_]
    top: NDArray[np.bool_]
    sock: NDArray[np.bool_]
    shoe: NDArray[np.bool_]
    hair: NDArray[np.bool_]


def zones(outfit: Outfit, rest: NDArray[np.float64], charts: NDArray[np.int64]) -> Zones:
    """Decide what covers surface points.

    Args:
        outfit: the clothes.
        rest: (N, 4) places as in `Template.garment`, metres.
        charts: (N,) chart numbers 1..24.

    Returns:
        The zones.
    """
    x, y, z, along_arm = rest.T
    torso, feet = charts <= 2, (charts == 5) | (charts == 6)
    leg = (charts >= 7) & (charts <= 14)
    arm, head = (charts >= 15) & (charts <= 22), charts >= 23
    front = z > 0
    # The collar is a scoop at the front and straight at the back.
    collar = np.where(front, outfit.neckline + 0.9 * np.abs(x), 1.45)
    top = torso & (y > outfit.hem) & (y < collar)
    top |= arm & (along_arm < outfit.sleeve)
    if outfit.open_front:
        top &= ~(torso & front & (np.abs(x) < outfit.open_front))
    bottom = (torso & (y < outfit.hem + 0.02)) | (leg & (y > outfit.leg_end))
    bottom |= torso & ~top & (y < 1.05)
    sock = (leg | feet) & (y < outfit.sock_top)
    shoe = feet & (y < 0.105)
    return Zones(bottom, top, sock, shoe, _hair_zone(outfit, rest, head, torso))


def _hair_zone(
    outfit: Outfit,
    rest: NDArray[np.float64],
    head: NDArray[np.bool_],
    torso: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Above the hairline: low at the back, over the ears at the sides, high on the forehead."""
    if outfit.bald:
        return np.zeros(len(rest), bool)
    x, y, z = rest.T[:3]
    line = np.interp(z, [-0.09, -0.03, 0.02, 0.06, 0.1], [outfit.hair_back, 1.55, 1.6, 1.655, 1.67])
    hair = head & (y > line)
    return hair | (torso & (z < -0.02) & (np.abs(x) < 0.085) & (y > outfit.hair_back))


def sample_noise(
    outfit: Outfit, rest: NDArray[np.float64], *, per_metre: float
) -> NDArray[np.float32]:
    """(N,) noise in [0, 1] wrapped around the body."""
    across = (rest[:, 0] + 0.7 * rest[:, 2] + 2.0) * per_metre
    up = (rest[:, 1] + 0.3 * rest[:, 2] + 1.0) * per_metre
    column = across.astype(np.int64) % NOISE_SIZE
    return outfit.noise[up.astype(np.int64) % NOISE_SIZE, column]


def cloth_offset(outfit: Outfit, template: Template) -> NDArray[np.float64]:
    """How far cloth and hair stand off at every vertex.

    Args:
        outfit: the clothes.
        template: the surface's tables.

    Returns:
        (V,) metres along the rest normal.
    """
    rest = template.garment
    charts = np.zeros(len(rest), np.int64)
    charts[template.mesh.faces] = template.face_charts[:, None]
    zone = zones(outfit, rest, charts)
    folds = 0.4 + 1.2 * sample_noise(outfit, rest, per_metre=220)
    cloth = (zone.top | zone.bottom).astype(float) * outfit.looseness * folds
    cloth[zone.shoe] = 0.004
    volume = 0.008 if outfit.hair_back > 1.45 else 0.018
    cloth[zone.hair] = volume * (0.6 + 0.8 * sample_noise(outfit, rest[zone.hair], per_metre=400))
    return cloth
