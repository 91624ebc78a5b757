"""What a user hands in (paths, folders, arrays, lists of them) as a flat list of named images.

Folders are read in the order of their file names; other files in them are left alone, and so are
the folders in them. Output names keep the file's own name; two inputs of the same name get their
folder in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmktn.formats.pictures import SUFFIXES, check_picture_array, read_picture
from mmktn.utils.user_error import UserError


@dataclass(frozen=True)
class ImageInput:
    """One image to be read.

    Attributes:
        name: File name with suffix, unique among the inputs of a call; arrays are `array_0.png`...
        source: Where it comes from: a path, or the array itself.
        channel_order: Of an array: 'RGB' or 'BGR'.
    """

    name: str
    source: Path | np.ndarray
    channel_order: str = "RGB"

    @property
    def stem(self) -> str:
        """Name without suffix."""
        return Path(self.name).stem

    def read(self, *, max_pixels: int | None = None) -> np.ndarray:
        """Return the pixels as (H, W, 3) uint8 BGR.

        Args:
            max_pixels: See `read_picture`.

        Raises:
            UserError: No such file, or it cannot be read as a picture, or the array is not a
                picture. The message does not repeat the file's name.
        """
        if isinstance(self.source, np.ndarray):
            return as_bgr(check_picture_array(self.source), self.channel_order)
        try:
            return read_picture(self.source, max_pixels=max_pixels)
        except FileNotFoundError as error:
            raise UserError(f"no such file: {self.source}") from error


def files_of(images: Sequence[ImageInput]) -> list[Path]:
    """Return the files among some inputs, none of which may be written over."""
    return [image.source for image in images if isinstance(image.source, Path)]


def check_channel_order(channel_order: str) -> None:
    """Raise UserError for an order that is neither 'RGB' nor 'BGR'."""
    if channel_order not in ("RGB", "BGR"):
        raise UserError(f"channel_order is {channel_order!r}; it is 'RGB' or 'BGR'")


def as_bgr(image: np.ndarray, channel_order: str) -> np.ndarray:
    """Return an array in the order in which the pipelines take pictures.

    Raises:
        UserError: The order is neither 'RGB' nor 'BGR'.
    """
    check_channel_order(channel_order)
    return image if channel_order == "BGR" else np.ascontiguousarray(image[..., ::-1])


def list_inputs(inputs: Any, *, channel_order: str = "RGB") -> list[ImageInput]:
    """Flatten what a user gives.

    Args:
        inputs: A path, a folder, an (H, W, 3) uint8 array, or a sequence of these. What this
            function gave is given back as it is.
        channel_order: Of arrays: 'RGB' or 'BGR'.

    Returns:
        Images in the given order, folders sorted by file name. Paths are not checked here: a
        missing file is found when it is read, so that the others can go on.

    Raises:
        UserError: Nothing to do: an empty sequence or a folder without images; a folder that
            cannot be listed; an array that is no picture; or an unknown channel order.
        TypeError: Something else than a path or an array.
    """
    check_channel_order(channel_order)
    if isinstance(inputs, str | Path | np.ndarray):
        inputs = [inputs]
    if not isinstance(inputs, Sequence):
        raise TypeError(f"inputs is a {type(inputs).__name__}; give paths, folders or arrays")
    if len(inputs) and all(isinstance(entry, ImageInput) for entry in inputs):
        return list(inputs)
    sources: list[Path | np.ndarray] = []
    for index, entry in enumerate(inputs):
        if isinstance(entry, np.ndarray):
            check_picture_array(entry, f"input {index}")
        sources.extend(_expand(entry))
    if not sources:
        raise UserError("no images given")
    return [
        ImageInput(name, source, channel_order)
        for name, source in zip(_names(sources), sources, strict=True)
    ]


def _expand(entry: Any) -> list[Path | np.ndarray]:
    """Return one input as images: a folder becomes its images."""
    if isinstance(entry, np.ndarray):
        return [entry]
    if not isinstance(entry, str | Path):
        raise TypeError(f"an input is a {type(entry).__name__}; give paths, folders or arrays")
    path = Path(entry)
    try:
        if not path.is_dir():
            return [path]
        images = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path} cannot be listed: {reason}") from error
    if not images:
        raise UserError(f"folder {path} holds no images ({', '.join(SUFFIXES)})")
    return list(images)


def _names(sources: list[Path | np.ndarray]) -> list[str]:
    """Return the unique output names."""
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
    taken = {path.stem for path in paths if same_stem[path.stem] == 1}
    for index, path in enumerate(paths):
        if same_stem[path.stem] == 1:
            continue
        stem, suffix, count = Path(names[index]).stem, path.suffix, 1
        while (stem if count == 1 else f"{stem}_{count}") in taken:
            count += 1
        stem = stem if count == 1 else f"{stem}_{count}"
        taken.add(stem)
        names[index] = f"{stem}{suffix}"
    return names
