"""The one writer of picture files: whole or not at all, no larger than the format holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmktn.utils.output_files import replace_atomically

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
    import cv2
    from PIL import Image

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
