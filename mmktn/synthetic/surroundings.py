"""Places: photographed panoramas with the light that was there, and photographs for details.

Sources and licences: data/surroundings.LICENSE.md. World frame as in `camera`; the middle column of
a panorama looks along -z, columns run to the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.camera import Camera, rotation_about
from mmktn.synthetic.noise import fractal_noise

DATA_FILE = Path(__file__).parent / "data" / "surroundings.npz"
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Surroundings:
    """What the file holds.

    Attributes:
        panoramas: name -> (H, W, 3) RGB in [0, 1], 360 by 180 degrees.
        ambient: name -> (9, 3) irradiance over pi as factors of `harmonics`, sun left out.
        suns: name -> unit direction (3,) and irradiance over pi (3,) of the brightest light.
        photos: (H, W, 3) RGB in [0, 1].
        textures: (H, W) in [0, 1], mean 0.5: brick, grass, gravel.
    """

    panoramas: dict[str, Image]
    ambient: dict[str, NDArray[np.float64]]
    suns: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    photos: list[Image]
    textures: list[Image]


@lru_cache(maxsize=1)
def load_surroundings() -> Surroundings:
    """Open the file that comes with the package; one object per process, do not change it."""
    panoramas, photos, textures = {}, [], []
    with np.load(DATA_FILE, allow_pickle=False) as archive:
        names = [str(name) for name in archive["names"]]
        for name in names:
            panoramas[name] = _decoded(archive[f"panorama_{name}"])
        for field in archive.files:
            if field.startswith("photo_"):
                photos.append(_decoded(archive[field]))
            elif field.startswith("texture_"):
                grey = _decoded(archive[field]).mean(axis=2)
                textures.append(np.clip(grey - grey.mean() + 0.5, 0, 1).astype(np.float32))
        ambient = dict(zip(names, archive["ambient"].astype(np.float64), strict=True))
        directions = archive["sun_direction"].astype(np.float64)
        strengths = archive["sun_strength"].astype(np.float64)
    suns = {name: (directions[k], strengths[k]) for k, name in enumerate(names)}
    return Surroundings(panoramas, ambient, suns, photos, textures)


def _decoded(code: NDArray[np.uint8]) -> Image:
    picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{DATA_FILE}: a picture in it cannot be decoded")
    return np.asarray(picture[..., ::-1] / 255.0, np.float32)


def panorama_directions(shape_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Return the unit directions (H, W, 3) of the pixels of a panorama."""
    height, width = shape_hw
    turn = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lift = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    turn, lift = np.meshgrid(turn, lift)
    return np.stack(
        [np.sin(turn) * np.cos(lift), np.sin(lift), -np.cos(turn) * np.cos(lift)], axis=-1
    )


def harmonics(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the real spherical harmonics (N, 9) up to order 2 of unit directions (N, 3)."""
    x, y, z = directions.T
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=1,
    )


def view_of_panorama(
    panorama: Image, camera: Camera, *, yaw: float, widen: float = 1.0
) -> NDArray[np.float32]:
    """Return what a camera sees of a panorama.

    Args:
        panorama: (H, W, 3).
        camera: The camera.
        yaw: Turn of the panorama about the vertical, radians.
        widen: How much more than its own field of view is shown, the horizon staying where it is;
            makes up for the panorama's coarse pixels.

    Returns:
        (camera.height, camera.width, 3).
    """
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    focal = camera.focal / widen
    local = np.stack(
        [(x - camera.width / 2) / focal, (camera.height / 2 - y) / focal, np.full_like(x, -1.0)],
        axis=-1,
    )
    pitch = float(np.arctan(np.tan(camera.pitch) * widen))
    turn = rotation_about("y", camera.yaw + yaw) @ rotation_about("x", pitch)
    ray = local @ (turn @ rotation_about("z", camera.roll)).T
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    height, width = panorama.shape[:2]
    column = (np.arctan2(ray[..., 0], -ray[..., 2]) / (2 * np.pi) + 0.5) * width - 0.5
    row = (0.5 - np.arcsin(np.clip(ray[..., 1], -1, 1)) / np.pi) * height - 0.5
    found = cv2.remap(
        panorama,
        column.astype(np.float32),
        row.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.clip(np.asarray(found, np.float32), 0, 1)


def ground_texture(
    texture: Image, camera: Camera, *, metres: float, turn: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a texture laid on the ground.

    Args:
        texture: (H, W) in [0, 1].
        camera: The camera.
        metres: Side of the texture on the ground.
        turn: Its turn about the vertical, radians.

    Returns:
        (H, W) values, and the weight 0..1 with which they are seen: 1 near, 0 far away and above
        the horizon.
    """
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    local = np.stack(
        [
            (x - camera.width / 2) / camera.focal,
            (camera.height / 2 - y) / camera.focal,
            np.full_like(x, -1.0),
        ],
        axis=-1,
    )
    ray = local @ camera.rotation.T
    far = camera.position[1] / np.maximum(-ray[..., 1], 1e-6)
    place = far[..., None] * ray[..., [0, 2]] + camera.position[[0, 2]]
    c, s = np.cos(turn), np.sin(turn)
    place = place @ np.array([[c, s], [-s, c]]) / metres
    height, width = texture.shape
    maps = ((place % 1.0) * [width - 1, height - 1]).astype(np.float32)
    values = cv2.remap(texture, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR)
    pixels = metres / height * camera.focal / np.maximum(far, 1e-3)
    weight = np.where(ray[..., 1] < 0, np.clip(pixels * 1.5, 0, 1), 0)
    return np.asarray(values, np.float32), weight.astype(np.float32)


def photo_crop(photo: Image, shape_hw: tuple[int, int], rng: np.random.Generator) -> Image:
    """Return a random part of a photograph, perhaps mirrored, stretched to a size."""
    height, width = photo.shape[:2]
    scale = rng.uniform(0.35, 1.0) * min(height / shape_hw[0], width / shape_hw[1])
    rows, columns = max(8, int(shape_hw[0] * scale)), max(8, int(shape_hw[1] * scale))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    part = photo[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return np.asarray(
        cv2.resize(np.ascontiguousarray(part), shape_hw[::-1], interpolation=cv2.INTER_CUBIC),
        np.float32,
    )


def place_picture(
    name: str, camera: Camera, *, yaw: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Background (H, W, 3) in about [0, 1]: a panorama with detail that it is too coarse for."""
    stock = load_surroundings()
    widen = float(rng.uniform(1.0, 2.6))
    picture = view_of_panorama(stock.panoramas[name], camera, yaw=yaw, widen=widen)
    if rng.random() < 0.7:
        texture = stock.textures[int(rng.integers(len(stock.textures)))]
        values, weight = ground_texture(
            texture, camera, metres=float(rng.uniform(0.8, 3.0)), turn=rng.uniform(0, np.pi)
        )
        strength = weight * np.float32(rng.uniform(0.4, 1.2))
        picture = picture * (1 + strength * (values - 0.5))[..., None]
    grain = fractal_noise((camera.height, camera.width), rng, cells=rng.uniform(20, 60), octaves=3)
    return np.asarray(picture * (1 + rng.uniform(0, 0.35) * (grain - 0.5))[..., None], np.float32)
