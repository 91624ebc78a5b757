"""Colours of charts and of U, V, and the named looks ("presets") that other projects expect.

A chart's colour is `index * 255 / 24`, truncated to a byte, through an OpenCV colour map: the part
map of the official DensePose tools. The presets reproduce, byte for byte, what try-on and animation
models were trained on. All arrays here are RGB; only the functions that write files know OpenCV's
BGR order. `sides` is our own palette: warm colours on the person's right, cool ones on the left, so
a left/right mistake can be seen at a glance.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.surface.parts import NUM_CHARTS

Background = Literal["black", "colormap_zero", "grey", "image"]
Field = Literal["charts", "u", "v"]

# (hue in degrees, saturation, value) of charts 1..24; conventions.md names the sides.
_SIDES_HSV = (
    (45, 0.10, 0.45), (45, 0.10, 0.85),  # torso back, front
    (55, 0.85, 0.95), (140, 0.80, 0.75),  # right hand, left hand
    (255, 0.40, 1.00), (0, 0.90, 0.65),  # left foot, right foot
    (330, 0.80, 0.55), (215, 0.80, 0.50),  # upper legs, back
    (330, 0.65, 0.95), (215, 0.65, 0.95),  # upper legs, front
    (310, 0.80, 0.50), (240, 0.80, 0.50),  # lower legs, back
    (310, 0.55, 0.95), (240, 0.55, 0.95),  # lower legs, front
    (180, 0.90, 0.50), (15, 0.90, 0.60),  # upper arms, front
    (180, 0.75, 0.90), (15, 0.80, 1.00),  # upper arms, back
    (160, 0.90, 0.45), (38, 0.95, 0.60),  # lower arms, front
    (160, 0.70, 0.85), (38, 0.85, 1.00),  # lower arms, back
    (355, 0.70, 0.90), (200, 0.70, 0.95),  # right and left half of the head
)  # fmt: skip

# OpenCV is imported where it is used: commands list the presets before they need it.
_OPENCV_COLORMAPS = ("parula", "viridis", "jet", "turbo", "inferno")
COLORMAPS = (*_OPENCV_COLORMAPS, "sides")


@dataclass(frozen=True)
class Preset:
    """A named look of a dense-pose picture.

    Attributes:
        name: Name to ask for.
        colormap: One of `COLORMAPS`.
        alpha: Share of the colour in a blended pixel, in (0, 1]; the rest is the background.
        background: What stands where no person is: black, the colour of value 0, the photo in grey,
            or the photo.
    """

    name: str
    colormap: str
    alpha: float
    background: Background


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        # VITON-HD, HR-VITON, IDM-VTON, CatVTON, StableGarment.
        Preset("viton", "parula", 1.0, "black"),
        # MagicAnimate: viridis over viridis(0), the purple of its training videos.
        Preset("magicanimate", "viridis", 1.0, "colormap_zero"),
        Preset("vid2densepose", "viridis", 0.7, "colormap_zero"),
        # detectron2's apply_net: part map over the photo in grey.
        Preset("detectron2", "parula", 0.7, "grey"),
        # Ours: left and right in different colours over the photo.
        Preset("overlay", "sides", 0.7, "image"),
    )
}


def get_preset(name: str) -> Preset:
    """Look up a preset by name.

    Raises:
        ValueError: Unknown name; the message lists the known ones.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


@cache
def colormap_table(name: str) -> np.ndarray:
    """Return the RGB of the 256 byte values of an OpenCV colour map.

    Args:
        name: A colour map of `COLORMAPS` other than 'sides', which is defined on charts only.

    Returns:
        (256, 3) uint8, read-only.

    Raises:
        ValueError: Unknown name.
    """
    if name not in _OPENCV_COLORMAPS:
        raise ValueError(f"unknown colour map {name!r}; known: {', '.join(_OPENCV_COLORMAPS)}")
    import cv2

    values = np.arange(256, dtype=np.uint8)[:, None]
    flag = getattr(cv2, f"COLORMAP_{name.upper()}")
    table = cv2.applyColorMap(values, flag)[:, 0, ::-1].copy()
    table.setflags(write=False)
    return table


@cache
def chart_colours(name: str = "sides") -> np.ndarray:
    """Return the RGB of chart 0 (background) to 24.

    Args:
        name: One of `COLORMAPS`.

    Returns:
        (25, 3) uint8, read-only. Row 0 is the colour map's value 0; black for 'sides'.
    """
    if name == "sides":
        rgb = [colorsys.hsv_to_rgb(h / 360.0, s, v) for h, s, v in _SIDES_HSV]
        colours = np.vstack([np.zeros((1, 3)), np.asarray(rgb)])
        colours = np.round(colours * 255).astype(np.uint8)
    else:
        # float32 and truncation, as the official visualiser: chart 1 is byte 10, chart 24 byte 255.
        scaled = np.arange(NUM_CHARTS + 1, dtype=np.float32) * np.float32(255.0 / NUM_CHARTS)
        colours = colormap_table(name)[scaled.clip(0, 255).astype(np.uint8)].copy()
    colours.setflags(write=False)
    return colours


def _table_and_values(
    canvas: ChartCanvas, field: Field, colormap: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours (n, 3) and which of them each pixel (H, W) has."""
    if field == "charts":
        return chart_colours(colormap), canvas.labels
    if field not in ("u", "v"):
        raise ValueError(f"unknown field {field!r}; known: charts, u, v")
    table = colormap_table("parula" if colormap == "sides" else colormap)
    return table, canvas.iuv[1 if field == "u" else 2]


def make_background(
    background: Background,
    image_hw: tuple[int, int],
    *,
    image: np.ndarray | None = None,
    colormap: str = "parula",
) -> np.ndarray:
    """Return a canvas to paint on: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: 'grey' or 'image' without a picture, or a picture of another size.
    """
    if background in ("grey", "image"):
        if image is None:
            raise ValueError(f"background {background!r} needs the image; got image=None")
        if image.shape[:2] != tuple(image_hw):
            raise ValueError(
                f"image is {image.shape[:2]} but the charts are {tuple(image_hw)} (H, W)"
            )
        if background == "image":
            return image.copy()
        import cv2

        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.repeat(grey[..., None], 3, axis=2)
    colour = np.zeros(3, np.uint8) if background == "black" else chart_colours(colormap)[0]
    return np.broadcast_to(colour, (*image_hw, 3)).copy()


def blend(
    background: np.ndarray, colours: np.ndarray, mask: np.ndarray, *, alpha: float
) -> np.ndarray:
    """Mix colours into a background inside a mask.

    The arithmetic of the official visualiser: double precision, truncated to a byte.

    Args:
        background: (H, W, 3) uint8.
        colours: (H, W, 3) uint8.
        mask: (H, W) bool; outside it the background is untouched.
        alpha: Share of `colours`, in [0, 1].
    """
    mixed = background.copy()
    places = np.flatnonzero(mask)
    _mix_into(mixed, places, colours.reshape(-1, 3).take(places, axis=0), alpha)
    return mixed


def _mix_into(picture: np.ndarray, places: np.ndarray, colours: np.ndarray, alpha: float) -> None:
    """Mix colours (M, 3) into the M pixels `places` (flat indices) of a picture, in place."""
    flat = picture.reshape(-1, 3)
    pairs = flat.take(places, axis=0).astype(np.uint16)
    pairs <<= 8
    pairs |= colours
    flat[places] = _mixing_table(alpha).take(pairs)


@cache
def _mixing_table(alpha: float) -> np.ndarray:
    """Return (65536,) uint8: the mixture of two bytes at 256 * background + colour."""
    values = np.arange(256, dtype=np.uint8)
    mixed = values[:, None] * (1.0 - alpha) + values * alpha
    return mixed.astype(np.uint8).reshape(-1)


def render_preset(
    canvas: ChartCanvas,
    preset: str | Preset = "overlay",
    *,
    image: np.ndarray | None = None,
    field: Field = "charts",
    size_wh: tuple[int, int] | None = None,
    interpolation: Literal["nearest", "cubic"] = "nearest",
) -> np.ndarray:
    """Draw a canvas in a named look.

    Args:
        canvas: Painted charts of the image.
        preset: Name or `Preset`.
        image: (H, W, 3) uint8 RGB photo; needed by presets that show it.
        field: Which map to colour.
        size_wh: Final picture size; None keeps the image's. The *coloured* picture is resized, as
            the try-on pipelines do.
        interpolation: 'nearest' keeps the colours exact, 'cubic' gives the soft part edges of
            IDM-VTON's up-sampled pictures.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    look = get_preset(preset) if isinstance(preset, str) else preset
    picture = make_background(look.background, canvas.image_hw, image=image, colormap=look.colormap)
    table, values = _table_and_values(canvas, field, look.colormap)
    places = np.flatnonzero(canvas.labels)  # colours elsewhere would be made for nothing
    _mix_into(picture, places, table.take(values.reshape(-1).take(places), axis=0), look.alpha)
    if size_wh is None:
        return picture
    import cv2

    flag = {"nearest": cv2.INTER_NEAREST, "cubic": cv2.INTER_CUBIC}.get(interpolation)
    if flag is None:
        raise ValueError(f"interpolation is {interpolation!r}; use 'nearest' or 'cubic'")
    return cv2.resize(picture, size_wh, interpolation=flag)
