"""IUV and instance-id PNG files, in the layout of Detectron1 and of what reads its output.

Detectron1 handed the array [I, U*255, V*255] to OpenCV, which stores BGR: inside the *file* blue is
I, green is U, red is V. A reader with PIL therefore sees V, U, I. That file order is the default;
`order` names what an RGB reader gets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from mmktn.utils.output_files import replace_atomically

ChannelOrder = Literal["VUI", "IUV"]
_LONGEST_SIDE = {".webp": 16383} | dict.fromkeys((".jpe", ".jpeg", ".jpg"), 65500)


def write_image(path: str | Path, image: np.ndarray, *, colours: int | None = None) -> Path:
    """Write an (H, W, 3) RGB or (H, W) picture, whole or not at all.

    The suffix chooses the format; folders are made. What stands there is replaced: commands claim
    their outputs first (mmktn/utils/output_files.py).

    Args:
        path: File.
        image: uint8.
        colours: Reduce an RGB .png to a palette of this many colours (2..256), which makes figures
            several times smaller; other formats keep theirs.

    Raises:
        ValueError: OpenCV knows no writer for the suffix, the picture is too large for its format,
            `colours` is out of range, or the file cannot be written.
    """
    path = Path(path)
    if colours is not None and not 2 <= colours <= 256:
        raise ValueError(f"colours={colours}: a palette has 2..256")
    if colours is not None and image.ndim == 3 and path.suffix.lower() == ".png":
        # Maximum coverage keeps small flat areas (a legend) near their colour, where median cut
        # gives the palette to the photograph. Dithering would cost more than the palette saves.
        flat = Image.fromarray(image).quantize(
            colours, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
        with replace_atomically(path) as handle:
            flat.save(handle, format="png", optimize=True)
        return path
    pixels = image[..., ::-1] if image.ndim == 3 else image
    try:
        done, coded = cv2.imencode(path.suffix or ".png", np.ascontiguousarray(pixels))
    except cv2.error as error:
        raise ValueError(f"{path}: no image writer for the suffix {path.suffix!r}") from error
    if not done:
        raise ValueError(f"{path}: the picture could not be encoded as {path.suffix!r}")
    with replace_atomically(path) as handle:  # not cv2.imwrite: it fails silently
        handle.write(coded.tobytes())
    return path


def fit_format(path: str | Path, image: np.ndarray) -> np.ndarray:
    """Scale a picture down to what the format of a file can hold; others stay as they are.

    Args:
        path: File; WebP holds 16383 pixels per side, JPEG 65500.
        image: (H, W, 3) uint8.
    """
    longest = _LONGEST_SIDE.get(Path(path).suffix.lower(), max(image.shape[:2]))
    if max(image.shape[:2]) <= longest:
        return image
    scale = longest / max(image.shape[:2])
    size_wh = [min(max(round(side * scale), 1), longest) for side in image.shape[1::-1]]
    # Whole pixels are taken, since OpenCV's other ways end at 32767 pixels per side.
    rows = np.arange(size_wh[1]) * image.shape[0] // size_wh[1]
    columns = np.arange(size_wh[0]) * image.shape[1] // size_wh[0]
    return image[rows[:, None], columns]


def write_iuv_png(path: str | Path, iuv: np.ndarray, *, order: ChannelOrder = "VUI") -> Path:
    """Write an IUV picture.

    Args:
        path: A .png path (a lossy format would change chart numbers).
        iuv: (3, H, W) uint8: I, U*255, V*255.
        order: What an RGB reader finds: 'VUI' is Detectron1's file (B=I, G=U, R=V), 'IUV' the
            reverse (R=I, G=U, B=V).

    Raises:
        ValueError: Not a .png path, an unknown order, or an array of another shape or type.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(
            f"{path}: IUV pictures must be .png; other formats change the chart numbers"
        )
    if iuv.ndim != 3 or iuv.shape[0] != 3 or iuv.dtype != np.uint8:
        raise ValueError(f"iuv is {iuv.shape} {iuv.dtype}; expected (3, H, W) uint8")
    return write_image(path, _reorder(iuv, order).transpose(1, 2, 0))


def read_iuv_png(path: str | Path, *, order: ChannelOrder = "VUI") -> np.ndarray:
    """Read what `write_iuv_png` wrote: (3, H, W) uint8 I, U*255, V*255.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not an 8-bit colour picture, or chart numbers above 24 (the usual sign of the
            other channel order).
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"IUV picture not found: {path}")
    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.dtype != np.uint8:
        raise ValueError(f"{path}: not an 8-bit colour picture")
    iuv = np.ascontiguousarray(_reorder(bgr[..., ::-1].transpose(2, 0, 1), order))
    if iuv[0].max(initial=0) > 24:
        raise ValueError(
            f"{path}: chart numbers up to {iuv[0].max()}; read with the other `order`?"
        )
    return iuv


def write_instance_png(path: str | Path, instances: np.ndarray) -> Path:
    """Write 1-based instance ids (`*_INDS.png`): 8 bit up to 255 people, 16 bit above.

    Args:
        path: A .png path.
        instances: (H, W) integer ids, 0 for none.

    Raises:
        ValueError: Not a .png path, or ids outside 0..65535.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path}: instance ids must be .png; other formats change them")
    low, high = int(instances.min(initial=0)), int(instances.max(initial=0))
    if low < 0 or high > 65535:
        raise ValueError(f"instance ids {low}..{high} do not fit a 16-bit picture")
    return write_image(path, instances.astype(np.uint8 if high <= 255 else np.uint16))


def _reorder(channels: np.ndarray, order: str) -> np.ndarray:
    """(3, H, W) I, U, V <-> the file's R, G, B; its own inverse."""
    if order == "IUV":
        return channels
    if order == "VUI":
        return channels[::-1]
    raise ValueError(f"order is {order!r}; use 'VUI' (Detectron1's file) or 'IUV'")
