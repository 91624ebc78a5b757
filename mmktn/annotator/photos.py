"""The photographs of a project: found in folders, served as tiles and small copies.

A name is a path below one of the folders; nothing outside of them is ever opened. Pictures are
upright (EXIF) and of any size that `mmktn.formats.pictures` reads; the page gets tiles of
`TILE` pixels from halved copies, so that it never has to hold a huge picture.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.formats.pictures import SUFFIXES, read_picture
from mmktn.utils.user_error import UserError

TILE = 512
_QUALITY = 92
_KEPT_BYTES = 600_000_000
_KEPT_FILES = 2000


class Photos:
    """Pictures below some folders.

    Args:
        folders: Where they lie; files of the same relative path in two folders are refused.
        max_pixels: Largest picture; None for the reader's limit.

    Raises:
        UserError: A folder is missing, or two files have one name.
    """

    def __init__(self, folders: Sequence[str | Path], *, max_pixels: int | None = None) -> None:
        self.folders = [Path(folder) for folder in folders]
        self._max_pixels = max_pixels
        self._home: dict[str, Path] = {}
        for folder in self.folders:
            if not folder.is_dir():
                raise UserError(f"{folder} is no folder of pictures")
            self._add(folder)
        self._lock = threading.Lock()
        self._decoded: OrderedDict[str, list[NDArray[np.uint8]]] = OrderedDict()
        self._files: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()

    def _add(self, folder: Path) -> None:
        for root, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                if file.startswith(".") or not file.lower().endswith(SUFFIXES):
                    continue
                name = (Path(root) / file).relative_to(folder).as_posix()
                if name in self._home:
                    raise UserError(
                        f"{name} lies in {self._home[name]} and in {folder}: the labels would not "
                        "tell them apart; give one folder that holds both"
                    )
                self._home[name] = folder

    @property
    def names(self) -> list[str]:
        """All names, in order of folders and paths."""
        return list(self._home)

    def add_folder(self, folder: Path) -> list[str]:
        """Add the pictures of one more folder; returns their names."""
        before = set(self._home)
        if folder not in self.folders:
            self.folders.append(folder)
        for name in [n for n, home in self._home.items() if home == folder]:
            before.discard(name)
            del self._home[name]
        self._add(folder)
        return [name for name in self._home if name not in before]

    def path_of(self, name: str) -> Path:
        """Return the file of a picture.

        Raises:
            UserError: The picture is gone, or a link leads out of its folder.
        """
        home = self._home.get(name)
        if home is None:
            raise UserError(f"{name}: no picture of this project; is its folder missing?")
        path = (home / name).resolve()
        if not path.is_relative_to(home.resolve()):
            raise UserError(f"{name}: the link leads out of {home}, which is not followed")
        return path

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 BGR, upright.

        Raises:
            UserError: It cannot be read; the text names it.
        """
        return self._levels(name)[0]

    def size(self, name: str) -> tuple[int, int]:
        """Return the width and height in pixels, upright."""
        height, width = self.pixels(name).shape[:2]
        return width, height

    def num_levels(self, name: str) -> int:
        """Number of halved copies; the last one fits into a tile."""
        return len(self._levels(name))

    def tile(self, name: str, level: int, column: int, row: int) -> bytes:
        """Return a tile as JPEG.

        Args:
            name: The picture.
            level: 0 at full size, each further one halved.
            column: Number of the tile from the left.
            row: From above.

        Raises:
            UserError: No such tile, or the picture cannot be read.
        """
        key = (name, level, column, row)
        with self._lock:
            kept = self._files.get(key)
            if kept is not None:
                self._files.move_to_end(key)
                return kept
        levels = self._levels(name)
        if not 0 <= level < len(levels):
            raise UserError(f"level {level}: {name} has 0 to {len(levels) - 1}")
        image = levels[level]
        part = image[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if column < 0 or row < 0 or not part.size:
            raise UserError(f"tile {column}, {row}: {name} has none at level {level}")
        return self._keep(key, part)

    def thumbnail(self, name: str, side: int = 160) -> bytes:
        """Return a small copy as JPEG, its longer side at most `side` pixels."""
        key = (name, -1, side, side)
        with self._lock:
            if key in self._files:
                return self._files[key]
        image = self._levels(name)[-1]
        scale = min(side / max(image.shape[:2]), 1.0)
        size = [max(round(scale * n), 1) for n in image.shape[1::-1]]
        return self._keep(key, _resized(image, size[0], size[1]))

    def _keep(self, key: tuple[str, int, int, int], image: NDArray[np.uint8]) -> bytes:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        content = code.tobytes()
        with self._lock:
            self._files[key] = content
            while len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
        return content

    def _levels(self, name: str) -> list[NDArray[np.uint8]]:
        """Return the picture and its halved copies; the last used pictures stay in memory."""
        # One picture is decoded at a time: ten requests for tiles must not decode it ten times.
        with self._lock:
            if name in self._decoded:
                self._decoded.move_to_end(name)
                return self._decoded[name]
            try:
                image = read_picture(self.path_of(name), max_pixels=self._max_pixels)
            except FileNotFoundError as error:
                raise UserError(f"{name}: the file is gone") from error
            except UserError as error:
                text = str(error)
                raise UserError(text if text.startswith(name) else f"{name} {text}") from error
            levels = [image]
            while max(levels[-1].shape[:2]) > TILE:
                height, width = levels[-1].shape[:2]
                levels.append(_resized(levels[-1], (width + 1) // 2, (height + 1) // 2))
            self._decoded[name] = levels
            while len(self._decoded) > 1 and self._held_bytes() > _KEPT_BYTES:
                self._decoded.popitem(last=False)
            return levels

    def _held_bytes(self) -> int:
        return sum(level.nbytes for levels in self._decoded.values() for level in levels)


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
