"""Build the places of the synthetic people (mmktn/synthetic/data/surroundings.npz).

    npm pack @pmndrs/assets && tar xzf pmndrs-assets-*.tgz
    python projects/human_body/build_surroundings.py package/hdri --out surroundings.npz

Needs scikit-image, and an OpenCV that reads OpenEXR. All sources are free of strings
(mmktn/synthetic/data/surroundings.LICENSE.md).
"""

from __future__ import annotations

import argparse
import base64
import os
import re
from pathlib import Path

os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.surroundings import harmonics, panorama_directions
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.user_error import one_line_errors

Array = NDArray[np.float64]
# skimage.data names: colour photographs, and grey textures
PHOTOS = ("chelsea", "coffee", "rocket")
TEXTURES = ("brick", "grass", "gravel")


def read_panorama(file: Path) -> Array:
    """(H, W, 3) linear RGB of a module that holds an .exr in base64."""
    match = re.search(r"base64,([A-Za-z0-9+/=]+)", file.read_text())
    if match is None:
        raise ValueError(f"{file}: no base64 picture in it")
    code = np.frombuffer(base64.b64decode(match.group(1)), np.uint8)
    picture = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError(f"{file}: OpenCV cannot decode it; was it built with OpenEXR?")
    radiance = np.nan_to_num(np.maximum(picture[..., ::-1].astype(np.float64), 0))
    # the sources' compression leaves dark rims round lamps, and single channels that run over
    square = np.ones((5, 5), np.uint8)
    grey = radiance.mean(axis=2)
    lamp = cv2.dilate(grey, square)
    rim = (lamp > 12 * np.median(grey)) & (radiance.min(axis=2) < 0.25 * lamp)
    radiance[rim] = np.minimum(lamp, 12 * np.median(grey))[rim][:, None]
    return radiance


def light_of(radiance: Array) -> tuple[Array, Array, Array]:
    """Ambient light and the sun of a panorama.

    Args:
        radiance: (H, W, 3) linear.

    Returns:
        Irradiance over pi as (9, 3) factors of `harmonics` without the sun, the unit direction
        (3,) of what is brightest, and its irradiance over pi (3,) on a surface that faces it.
    """
    directions = panorama_directions(radiance.shape[:2])
    height, width = radiance.shape[:2]
    solid = np.cos(np.arcsin(directions[..., 1])) * (np.pi / height) * (2 * np.pi / width)
    grey = radiance.mean(axis=2)
    bright = grey > 12 * np.average(np.minimum(grey, 20 * np.median(grey) + 1e-6), weights=solid)
    weight = (grey * solid)[bright]
    if weight.sum() > 0:
        sun = (directions[bright] * weight[:, None]).sum(axis=0)
        sun /= np.linalg.norm(sun)
        strength = (radiance[bright] * solid[bright][:, None]).sum(axis=0) / np.pi
        # single channels of the sources run over at lamps and suns; and film would saturate
        strength = np.full(3, min(float(np.median(strength)), 2.0))
    else:
        sun, strength = np.array([0.0, 1.0, 0.0]), np.zeros(3)
    rest = np.where(bright[..., None], np.median(grey), radiance)
    basis = harmonics(directions.reshape(-1, 3)) * solid.reshape(-1, 1)
    factor = np.array([np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5]) / np.pi
    return factor[:, None] * (basis.T @ rest.reshape(-1, 3)), sun, strength


def jpeg(picture: NDArray[np.uint8], quality: int = 88) -> NDArray[np.uint8]:
    """Bytes of a picture, RGB or grey, in scans of best size."""
    if picture.ndim == 3:
        picture = picture[..., ::-1]
    small = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    ok, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *small])
    if not ok:
        raise OSError("OpenCV cannot encode a picture")
    return np.asarray(code.ravel(), np.uint8)


@one_line_errors("build_surroundings")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hdri", type=Path, help="folder with *.exr.js of @pmndrs/assets")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    target = claim_output(arguments.out, inputs=[arguments.hdri], overwrite=arguments.overwrite)
    from skimage import data

    fields: dict[str, NDArray[np.generic]] = {}
    names, ambient, suns, strengths = [], [], [], []
    for file in sorted(arguments.hdri.glob("*.exr.js")):
        radiance = read_panorama(file)
        exposed = radiance * 0.28 / np.exp(np.log(radiance.mean(axis=2) + 1e-4).mean())
        shown = np.clip(exposed / (1 + 0.2 * exposed), 0, 1) ** (1 / 2.2)
        light, sun, strength = light_of(exposed)
        names.append(file.name.split(".")[0])
        ambient.append(light)
        suns.append(sun)
        strengths.append(strength)
        fields[f"panorama_{names[-1]}"] = jpeg((shown * 255).round().astype(np.uint8))
    for name in PHOTOS:
        photo = getattr(data, name)()
        size = (400, round(400 * photo.shape[0] / photo.shape[1]))
        fields[f"photo_{name}"] = jpeg(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
    for name in TEXTURES:
        grey = getattr(data, name)()
        small = cv2.resize(grey, (256, 256), interpolation=cv2.INTER_AREA)
        fields[f"texture_{name}"] = jpeg(small, 80)
    fields.update(
        names=np.array(names),
        ambient=np.stack(ambient).astype(np.float32),
        sun_direction=np.stack(suns).astype(np.float32),
        sun_strength=np.stack(strengths).astype(np.float32),
    )
    with replace_atomically(target) as handle:
        np.savez(handle, **fields)
    print(f"wrote {target}, {target.stat().st_size / 1e6:.2f} MB, {len(names)} panoramas")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
