"""Dense truth of pictures: one .npz per image with chart, U and V of every pixel.

The synthetic set has such a folder (`DenseTruth` of mmktn/synthetic writes it). U and V are real
numbers in [0, 1], or 16-bit steps of 1 / 65535.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmktn.utils.array_files import read_arrays
from mmktn.utils.user_error import UserError

UV_STEPS = 65535
MAX_BYTES = 1 << 31


def read_dense_truth(
    path: Path, image_hw: tuple[int, int], names: Sequence[str] = ("chart", "u", "v"), *, what: str
) -> dict[str, NDArray[Any]]:
    """Read the maps of one image.

    Args:
        path: The .npz file.
        image_hw: Height and width of the image.
        names: Maps that are needed; "instance" numbers the persons from 1.
        what: What they are and of which image, for the messages.

    Returns:
        Name -> (H, W) numbers as stored.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: A map is missing, of another size than the image, or holds no numbers.
    """
    maps = read_arrays(path, names, what=what, max_bytes=MAX_BYTES)
    for name, array in maps.items():
        if array.shape != image_hw or array.dtype.kind not in "uif":
            raise UserError(
                f"{what}: {path}: field {name}: {array.dtype} {array.shape}, the image has "
                f"{image_hw}"
            )
    return maps
