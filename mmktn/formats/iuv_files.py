"""IUV and instance-id PNG files, in the layout of Detectron1 and of what reads its output.

Detectron1 handed the array [I, U*255, V*255] to OpenCV, which stores BGR: inside the *file* blue is
I, green is U, red is V. A reader with PIL therefore sees V, U, I. That file order is the default;
`order` names what an RGB reader gets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from mmktn.formats.limits import LAST_CHART
from mmktn.formats.picture_writing import write_image
from mmktn.formats.pictures import PictureError, read_pixels
from mmktn.utils.user_error import UserError

ChannelOrder = Literal["VUI", "IUV"]


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
        ValueError: Not a picture of 8-bit RGB, or chart numbers above 24 (the usual sign of the
            other channel order).
    """
    iuv = np.ascontiguousarray(_reorder(_stored(path, ("RGB",), "IUV").transpose(2, 0, 1), order))
    if iuv[0].max(initial=0) > LAST_CHART:
        raise UserError(f"{path}: chart numbers up to {iuv[0].max()}; read with the other `order`?")
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


def read_instance_png(path: str | Path) -> np.ndarray:
    """Read what `write_instance_png` wrote: (H, W) int32, 1-based ids, 0 for none.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a grey picture of 8 or 16 bits.
    """
    return _stored(path, ("L", "I;16"), "instance").astype(np.int32)


def _stored(path: str | Path, modes: tuple[str, ...], what: str) -> np.ndarray:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{what} picture not found: {path}")
    try:
        return read_pixels(path, modes=modes)
    except PictureError as error:
        raise UserError(f"{path} {error}") from error


def _reorder(channels: np.ndarray, order: str) -> np.ndarray:
    """(3, H, W) I, U, V <-> the file's R, G, B; its own inverse."""
    if order == "IUV":
        return channels
    if order == "VUI":
        return channels[::-1]
    raise ValueError(f"order is {order!r}; use 'VUI' (Detectron1's file) or 'IUV'")
