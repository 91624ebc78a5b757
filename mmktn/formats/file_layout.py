"""Where DensePose-COCO files are found on disk, and what to say when they are not.

The annotation files circulate under several names, and the images of the 2014 release lie in one
folder per split (docs/datasets.md). The images of `valminusminival` and `minival` are in `val2014`.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import Any

from mmktn.formats.annotation_names import names_in_circulation
from mmktn.formats.annotation_sets import DENSEPOSE_COCO, AnnotationFormat, help_for
from mmktn.utils.stored_files import is_stored_file, is_stored_folder

_SPLIT_IN_NAME = re.compile(r"^COCO_((?:train|val|test)\d{4})_")
_SPLIT_IN_URL = re.compile(r"/((?:train|val|test)\d{4})/[^/]+$")

SEE_DOCS = "See docs/datasets.md."


def find_annotation_file(
    path: str, backend_args: dict | None = None, *, file_format: AnnotationFormat = DENSEPOSE_COCO
) -> str:
    """Find an annotation file under the given name or another one in circulation.

    Args:
        path: File asked for.
        backend_args: Of mmengine.fileio.
        file_format: The set, for the message.

    Returns:
        The existing path.

    Raises:
        FileNotFoundError: None of them exists; the text says what to download and where to put it.
    """
    candidates = names_in_circulation(path)
    for candidate in candidates:
        if is_stored_file(candidate, backend_args):
            return candidate
    tried = " or ".join(candidates)
    raise FileNotFoundError(
        f"annotation file not found: {tried}. {help_for(path, file_format)} {SEE_DOCS}"
    )


class ImageFolder:
    """Finds the file of an image record below a folder.

    The folder may hold the images themselves or one subfolder per split (`train2014`, ...). The
    split is read off the file name (`COCO_train2014_...`) or, where names carry none, off
    `coco_url`. The layout is looked up once per split, with the first image of it.

    Args:
        root: Folder of images.
        backend_args: Of mmengine.fileio.
        file_format: The set, for the message.

    Raises:
        FileNotFoundError: There is no such folder; the text says what to download.
    """

    def __init__(
        self,
        root: str,
        backend_args: dict | None = None,
        *,
        file_format: AnnotationFormat = DENSEPOSE_COCO,
    ) -> None:
        if root and not is_stored_folder(root, backend_args):
            raise FileNotFoundError(
                f"image folder not found: {root}. {help_for(root, file_format)} {SEE_DOCS}"
            )
        self.root = root
        self._backend_args = backend_args
        self._subfolders: dict[str, str] = {}

    def path_of(self, image: dict[str, Any]) -> str:
        """Return the path of an image record's file; the file itself may be missing."""
        name = image["file_name"]
        split = _split_of(image)
        if split is None:
            return _joined(self.root, name)
        if split not in self._subfolders:
            self._subfolders[split] = self._find_subfolder(split, name)
        return _joined(self.root, self._subfolders[split], name)

    def _find_subfolder(self, split: str, name: str) -> str:
        """Find the subfolder with the first image of a split; `split` if it lies nowhere."""
        if PurePosixPath(self.root).name == split:
            return ""
        direct = _joined(self.root, name)
        return "" if is_stored_file(direct, self._backend_args) else split


def _joined(root: str, *parts: str) -> str:
    """Return a path below a folder, or below an address."""
    return (
        "/".join([root.rstrip("/"), *filter(None, parts)])
        if "://" in root
        else os.path.join(root, *parts)
    )


def _split_of(image: dict[str, Any]) -> str | None:
    """Return `train2014`, `val2017`, ... of an image record, None if the record does not say."""
    match = _SPLIT_IN_NAME.match(image["file_name"])
    match = match or _SPLIT_IN_URL.search(str(image.get("coco_url", "")))
    return match.group(1) if match else None
