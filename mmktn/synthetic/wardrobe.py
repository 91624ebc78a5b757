"""Clothes, hair and skin of a person, drawn at random, as a function of the rest position.

Garments end at heights and lengths on `Template.garment`, so colours run over chart seams without a
break. What stands off the body is made by `garments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.noise import fractal_noise, random_color
from mmktn.synthetic.surroundings import load_surroundings, photo_crop

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
PATTERNS = ("plain", "stripes", "bars", "checks", "dots", "camouflage", "panel", "print")


@dataclass
class Cloth:
    """Pattern of one garment.

    Attributes:
        colors: (3, 3) base colour, second colour, trim, RGB in [0, 1].
        pattern: one of `PATTERNS`.
        period: metres.
        wrinkle: strength of the folds, 0..1.
        print: (H, W, 3) picture that a "print" repeats.
    """

    colors: NDArray[np.float32]
    pattern: str
    period: float
    wrinkle: float
    print: NDArray[np.float32] | None = None


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
        noise: (256, 256) noise in [0, 1] for folds, hair and camouflage.
        top_fit: metres by which the top stands off; below 4 mm it is skin-tight.
        leg_fit: the same of trouser legs.
        flare: how much sleeves, legs and skirts widen towards their ends.
        tail_end: height down to which an untucked top or a coat hangs.
        skirt: the bottom is a skirt.
        pleats: depth of its folds, relative to its width.
        hair_volume: metres.
        hat: "", "beanie", "cap" or "brim".
        bag: "", "backpack" or "hip".
        accent: RGB of hat and bag.
        phase: of folds, radians.
        shod: wears shoes.
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
    noise: NDArray[np.float32]
    top_fit: float = 0.0
    leg_fit: float = 0.0
    flare: float = 0.0
    tail_end: float = 2.0
    skirt: bool = False
    pleats: float = 0.0
    hair_volume: float = 0.008
    hat: str = ""
    bag: str = ""
    accent: Color = field(default_factory=lambda: np.full(3, 0.3, np.float32))
    phase: float = 0.0
    shod: bool = True


def random_cloth(rng: np.random.Generator) -> Cloth:
    """Draw a fabric; about half are plain, most of them muted."""
    weights = np.array([0.46, 0.11, 0.08, 0.1, 0.06, 0.05, 0.06, 0.08])
    gaudy = rng.random() < 0.4
    colors = np.stack([random_color(rng, saturation=(0.0, 0.9 if gaudy else 0.4)) for _ in "abc"])
    if rng.random() < 0.4:  # two tones of one colour
        colors[1] = colors[0] * np.float32(rng.uniform(0.5, 0.9))
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=weights))]
    picture = None
    if pattern == "print":
        photos = load_surroundings().photos
        picture = photo_crop(photos[int(rng.integers(len(photos)))], (96, 96), rng)
        picture = picture * (0.4 + colors[0]) if rng.random() < 0.5 else picture[..., ::-1]
        picture = np.clip(picture, 0, 1).astype(np.float32)
    period = float(np.exp(rng.uniform(np.log(0.012), np.log(0.16))))
    return Cloth(colors, pattern, period, float(rng.uniform(0.15, 0.9)), picture)


def random_outfit(rng: np.random.Generator, traits: Mapping[str, float] | None = None) -> Outfit:
    """Draw skin, hair and clothes.

    Args:
        rng: random source.
        traits: of the person; "age" and "gender" shift how often skirts, beards, grey and long hair
            are drawn.

    Returns:
        The outfit.
    """
    traits = traits or {}
    age, woman = traits.get("age", 0.75), traits.get("gender", 0.5) > 0.5
    tone = _SKIN_TONES[rng.integers(len(_SKIN_TONES))] * rng.uniform(0.88, 1.06)
    hair = _HAIR_TONES[rng.choice(5, p=[0.36, 0.27, 0.18, 0.13, 0.06])] * rng.uniform(0.6, 1.3)
    if age > 0.83 and rng.random() < 0.6:
        hair = _HAIR_TONES[-1] * rng.uniform(0.8, 1.3)
    if rng.random() < 0.05:  # dyed hair
        hair = random_color(rng)
    top = random_cloth(rng)
    dress = rng.random() < (0.22 if woman else 0.03)
    bottom = top if dress else random_cloth(rng)
    skirt = dress or rng.random() < (0.2 if woman else 0.02)
    if not skirt and rng.random() < 0.6:  # jeans or dark trousers
        blue = np.array([0.2, 0.27, 0.42], np.float32)
        shade = blue if rng.random() < 0.55 else np.array([0.13, 0.13, 0.14], np.float32)
        bottom.colors[0] = np.clip(shade * rng.uniform(0.5, 2.0), 0, 1)
        bottom.pattern = "plain"
    leg_end = 0.07 if rng.random() < 0.68 else rng.uniform(0.42, 0.75)
    if skirt:
        leg_end = rng.uniform(0.12, 0.72)
    hem = float(rng.uniform(0.9, 1.0))
    kind = rng.random()  # tight, shirt, loose, coat
    top_fit, tail_end, open_front = 0.0, 2.0, 0.0
    if kind > 0.2:
        top_fit = float(rng.uniform(0.006, 0.016))
        tail_end = hem - rng.uniform(0.02, 0.16) if rng.random() < 0.65 and not dress else 2.0
    if kind > 0.55:
        top_fit = float(rng.uniform(0.014, 0.034))
    if kind > 0.85:
        top_fit = float(rng.uniform(0.025, 0.05))
        tail_end = float(rng.uniform(0.35, 0.85))
    if kind > 0.6 and rng.random() < 0.4:
        open_front = float(rng.uniform(0.02, 0.07))
    long_sleeves = kind > 0.85 or rng.random() < 0.45
    sleeves = [0.5, 0.6] if long_sleeves else [0.0, 0.1, 0.17, 0.24, 0.3]
    backs = [1.28, 1.33, 1.4, 1.45, 1.5] if woman else [1.5, 1.53, 1.53, 1.56, 1.4]
    hat = str(rng.choice(["", "beanie", "cap", "brim"], p=[0.84, 0.05, 0.07, 0.04]))
    return Outfit(
        skin=np.clip(tone, 0, 1).astype(np.float32),
        hair=np.clip(hair, 0, 1).astype(np.float32),
        hair_back=float(rng.choice(backs)),
        bald=not woman and age > 0.6 and rng.random() < 0.15,
        beard=not woman and age > 0.6 and rng.random() < 0.3,
        glasses=rng.random() < 0.14,
        top=top,
        bottom=bottom,
        neckline=float(rng.choice([1.36, 1.41, 1.43, 1.46])),
        sleeve=float(rng.choice(sleeves)),
        hem=hem,
        leg_end=float(leg_end),
        open_front=open_front,
        shoe=random_color(rng, saturation=(0.0, 0.5)) * np.float32(rng.choice([0.25, 0.6, 1.0])),
        sock=random_color(rng, saturation=(0.0, 0.4)),
        sock_top=float(rng.choice([0.1, 0.14, 0.22, 0.34])),
        noise=fractal_noise((NOISE_SIZE, NOISE_SIZE), rng, cells=6, octaves=6, persistence=0.65),
        top_fit=top_fit,
        leg_fit=0.0 if rng.random() < 0.3 else float(rng.uniform(0.006, 0.035)),
        flare=float(rng.uniform(0.0, 1.0)),
        tail_end=tail_end,
        skirt=bool(skirt),
        pleats=float(rng.choice([0.0, 0.03, 0.08])),
        hair_volume=float(rng.uniform(0.005, 0.03)),
        hat=hat,
        bag=str(rng.choice(["", "backpack", "hip"], p=[0.9, 0.06, 0.04])),
        accent=random_color(rng, saturation=(0.0, 0.7)),
        phase=float(rng.uniform(0, 2 * np.pi)),
        shod=rng.random() < 0.92,
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
    shoe = feet & (y < 0.105) & outfit.shod
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
    """Return (N,) noise in [0, 1] wrapped around the body."""
    across = (rest[:, 0] + 0.7 * rest[:, 2] + 2.0) * per_metre
    up = (rest[:, 1] + 0.3 * rest[:, 2] + 1.0) * per_metre
    column = across.astype(np.int64) % NOISE_SIZE
    return outfit.noise[up.astype(np.int64) % NOISE_SIZE, column]


def noise_slope(
    outfit: Outfit, rest: NDArray[np.float64], *, per_metre: float
) -> NDArray[np.float32]:
    """Return (N, 2) slope of `sample_noise` across and up the body, per cell of the noise."""
    across = ((rest[:, 0] + 0.7 * rest[:, 2] + 2.0) * per_metre).astype(np.int64)
    up = ((rest[:, 1] + 0.3 * rest[:, 2] + 1.0) * per_metre).astype(np.int64)
    size, noise = NOISE_SIZE, outfit.noise
    right = noise[up % size, (across + 2) % size] - noise[up % size, (across - 2) % size]
    above = noise[(up + 2) % size, across % size] - noise[(up - 2) % size, across % size]
    return np.stack([right, above], axis=1)
