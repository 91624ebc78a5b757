"""What a user hands in (paths, folders, arrays, lists of them) as a flat list of named images.

Folders are read in the order of their file names; other files in them are left alone. Output names
keep the file's own name; two inputs of the same name get their folder in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmktn.datasets.image_checks import read_image

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageInput:
    """One image to be read.

    Attributes:
        name: File name with suffix, unique among the inputs of a call; arrays are `array_0.png`...
        source: Where it comes from: a path, or the array itself.
    """

    name: str
    source: Path | np.ndarray

    @property
    def stem(self) -> str:
        """Name without suffix."""
        return Path(self.name).stem

    def read(self) -> np.ndarray:
        """Pixels as (H, W, 3) uint8 BGR.

        Raises:
            FileNotFoundError: No such file.
            ValueError: The file is truncated or no picture, or the array is not a picture. The
                message does not repeat the file's name.
        """
        if isinstance(self.source, np.ndarray):
            return _checked_array(self.source)
        return read_image(str(self.source))


def list_inputs(inputs: Any) -> list[ImageInput]:
    """Flatten what a user gives.

    Args:
        inputs: A path, a folder, an (H, W, 3) uint8 BGR array, or a sequence of these.

    Returns:
        Images in the given order, folders sorted by file name. Paths are not checked here: a
        missing file is found when it is read, so that the others can go on.

    Raises:
        ValueError: Nothing to do: an empty sequence or a folder without images.
        TypeError: Something else than a path or an array.
    """
    if isinstance(inputs, str | Path | np.ndarray):
        inputs = [inputs]
    if not isinstance(inputs, Sequence):
        raise TypeError(f"inputs is a {type(inputs).__name__}; give paths, folders or arrays")
    sources: list[Path | np.ndarray] = []
    for entry in inputs:
        sources.extend(_expand(entry))
    if not sources:
        raise ValueError("no images given")
    return [ImageInput(name, source) for name, source in zip(_names(sources), sources, strict=True)]


def _expand(entry: Any) -> list[Path | np.ndarray]:
    """One input as images: a folder becomes its images."""
    if isinstance(entry, np.ndarray):
        return [entry]
    if not isinstance(entry, str | Path):
        raise TypeError(f"an input is a {type(entry).__name__}; give paths, folders or arrays")
    path = Path(entry)
    if not path.is_dir():
        return [path]
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise ValueError(f"folder {path} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return list(images)


def _names(sources: list[Path | np.ndarray]) -> list[str]:
    """Unique output names."""
    arrays = iter(range(len(sources)))
    paths = [
        source if isinstance(source, Path) else Path(f"array_{next(arrays)}.png")
        for source in sources
    ]
    same_stem = Counter(path.stem for path in paths)
    names = [
        path.name if same_stem[path.stem] == 1 else "_".join([*path.parts[-2:-1], path.name])
        for path in paths
    ]
    taken: Counter[str] = Counter()
    for index, name in enumerate(names):
        stem = Path(name).stem
        taken[stem] += 1
        if taken[stem] > 1:
            names[index] = f"{stem}_{taken[stem]}{Path(name).suffix}"
    return names


def _checked_array(image: np.ndarray) -> np.ndarray:
    """An array as a colour picture; grey ones get three channels."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"is an array of {image.shape} {image.dtype}, not (H, W, 3) uint8 BGR")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] != 3:
        raise ValueError(f"is an array of {image.shape[2]} channels, not 3 (BGR)")
    return image
