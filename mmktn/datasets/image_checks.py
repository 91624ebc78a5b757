"""Reading an image so that a missing, truncated or wrongly sized file is noticed.

OpenCV decodes a truncated JPEG into a partly grey picture without an error; the end mark of the
file is looked at first and, where it is not found, PIL decides.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import mmengine.fileio
import numpy as np
from PIL import Image, UnidentifiedImageError

_END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB\x60\x82"}


class ImageProblemError(ValueError):
    """An image file that cannot be used; the text says why."""


def read_image(
    path: str,
    *,
    expected_hw: tuple[int, int] | None = None,
    backend_args: dict | None = None,
) -> np.ndarray:
    """Read an image.

    Args:
        path: File.
        expected_hw: Size that the annotations give; None where unknown.
        backend_args: Of mmengine.fileio.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such file.
        ImageProblemError: The file is empty, truncated, no image, or has another size.
    """
    data = mmengine.fileio.get(path, backend_args=backend_args)
    check_complete(data)
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ImageProblemError("cannot be decoded")
    if expected_hw is not None and image.shape[:2] != tuple(expected_hw):
        raise ImageProblemError(
            f"is {image.shape[1]} x {image.shape[0]} (w x h), the annotations say "
            f"{expected_hw[1]} x {expected_hw[0]}"
        )
    return image


def known_hw(record: dict[str, Any]) -> tuple[int, int] | None:
    """The size that a record gives for its image, None if it gives none."""
    height, width = record.get("height"), record.get("width")
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    return None


def check_complete(data: bytes) -> None:
    """Check that an encoded image is whole.

    Args:
        data: Content of the file.

    Raises:
        ImageProblemError: Empty, truncated or no image.
    """
    if not data:
        raise ImageProblemError("is empty")
    for start, end in _END_MARKS.items():
        if data.startswith(start) and data.rstrip(b"\0").endswith(end):
            return
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ImageProblemError(f"is truncated or no image ({error})") from error
