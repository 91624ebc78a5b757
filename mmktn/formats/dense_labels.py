"""Dense label files: a teacher's answer at every pixel of persons (docs/distillation.md).

A folder has one RGBA picture per person, 256 x 256 over its box like dp_masks: red the chart, green
U, blue V, alpha the confidence; and `index.json`, which says what they belong to. Everything is
checked when it is read. The format is this project's own (DensePose, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmktn.formats.json_files import parse_json
from mmktn.formats.limits import LAST_CHART
from mmktn.formats.masks import MASK_SIDE, number_list
from mmktn.formats.pictures import PictureError, read_pixels
from mmktn.formats.shown import is_id, is_name_inside, shown
from mmktn.utils.output_files import claim_folder, replace_atomically, write_json
from mmktn.utils.user_error import UserError

DENSE_CHANNELS = ("I", "U", "V", "confidence")
FORMAT, VERSION, INDEX = "mmktn dense labels", 1, "index.json"
_RECORD_FIELDS = ("id", "image_id", "bbox", "file")
_BOX_TOLERANCE_PX = 0.01
_HEAD = {
    "format": FORMAT,
    "version": VERSION,
    "side": MASK_SIDE,
    "channels": list(DENSE_CHANNELS),
}


def claim_labels(folder: str | Path) -> Path:
    """Check, before any work is done, that labels may be written into a folder.

    Raises:
        FileExistsError: It holds labels already.
        UserError: It is no folder and cannot be made.
    """
    claimed = claim_folder(folder)
    if (claimed / INDEX).exists():
        raise FileExistsError(f"{claimed / INDEX} exists: choose another folder")
    return claimed


class DenseLabelWriter:
    """Writes a folder of dense labels; the index comes last, so an unfinished folder is not read.

    Args:
        folder: Made if missing.
        source: What made the labels (config, checkpoint, annotation files); kept in the index.

    Raises:
        FileExistsError: The folder holds labels already.
    """

    def __init__(self, folder: str | Path, source: dict[str, Any]) -> None:
        self.folder = claim_labels(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.source = source
        self._records: list[dict[str, Any]] = []

    def add(
        self,
        annotation_id: int,
        labels: NDArray[np.uint8],
        *,
        image_id: int,
        box_xyxy: Sequence[float],
    ) -> Path:
        """Write the labels of one person.

        Args:
            annotation_id: Of the annotation file.
            labels: (4, 256, 256) uint8: chart, U, V, confidence.
            image_id: Its image.
            box_xyxy: (4,) the person's box, in pixels of the image.

        Returns:
            The picture.

        Raises:
            ValueError: Another shape, or a chart above 24.
        """
        name = f"{annotation_id % 1000:03d}/{annotation_id}.png"
        _check_map(labels, f"annotation {annotation_id}")
        path = self.folder / name
        pixels = np.ascontiguousarray(labels.transpose(1, 2, 0))
        with replace_atomically(path) as handle:
            Image.fromarray(pixels, mode="RGBA").save(handle, format="png", compress_level=6)
        labelled = labels[0] > 0
        x1, y1, x2, y2 = (float(value) for value in box_xyxy)
        self._records.append(
            {
                "id": int(annotation_id),
                "image_id": int(image_id),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "file": name,
                "labelled_cells": int(labelled.sum()),
                "mean_confidence": round(float(labels[3][labelled].mean()) / 255, 4)
                if labelled.any()
                else 0.0,
            }
        )
        return path

    def close(self) -> Path:
        """Write the index.

        Returns:
            Its path.
        """
        content = {**_HEAD, "source": self.source, "annotations": self._records}
        write_json(self.folder / INDEX, content, indent=1)
        return self.folder / INDEX


class DenseLabelFolder:
    """A folder of dense labels.

    Args:
        folder: What `DenseLabelWriter` wrote.

    Raises:
        FileNotFoundError: There is no index.
        ValueError: The index is not one of this format and version; the field is named.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._index_file = self.folder / INDEX
        content = self._read_index()
        self.source: dict[str, Any] = content.get("source", {})
        self._records: dict[int, dict[str, Any]] = {}
        for position, record in enumerate(content["annotations"]):
            self._check_record(record, position)
            self._records[record["id"]] = record

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, annotation_id: int) -> bool:
        return annotation_id in self._records

    @property
    def records(self) -> list[dict[str, Any]]:
        """Records of the index: id, image_id, bbox (x, y, w, h), file and statistics."""
        return list(self._records.values())

    def require(self, annotation_ids: Iterable[int], users: str) -> None:
        """See that persons have labels.

        Args:
            annotation_ids: Persons that need them.
            users: Who needs them, for the message.

        Raises:
            ValueError: Some have none.
        """
        missing = [number for number in annotation_ids if number not in self._records]
        if missing:
            raise ValueError(
                f"{self._index_file}: field annotations: {len(missing)} persons of {users} have no "
                f"dense labels, the first is annotation id {missing[0]}; write labels for this "
                "file with python -m mmktn label"
            )

    def read(
        self, annotation_id: int, box_xyxy: Sequence[float] | None = None
    ) -> NDArray[np.uint8]:
        """Read the labels of one person.

        Args:
            annotation_id: Of the annotation file.
            box_xyxy: (4,) box that the annotation has now; it must be the one of the labels.

        Returns:
            (4, 256, 256) uint8: chart, U, V, confidence.

        Raises:
            KeyError: The person has no labels.
            FileNotFoundError: Its picture is missing.
            ValueError: The picture is damaged, or the labels belong to another box.
        """
        if annotation_id not in self._records:
            raise KeyError(f"{self._index_file}: no labels of annotation id {annotation_id}")
        record = self._records[annotation_id]
        if box_xyxy is not None:
            x, y, w, h = record["bbox"]
            off = np.abs(np.asarray(box_xyxy, dtype=np.float64) - (x, y, x + w, y + h)).max()
            if off > _BOX_TOLERANCE_PX:
                raise ValueError(
                    f"{self._index_file}: field bbox: annotation id {annotation_id} was labelled "
                    f"in the box {record['bbox']} (x, y, w, h), the annotation has "
                    f"{list(box_xyxy)} (x1, y1, x2, y2)"
                )
        return self._read_picture(self.folder / record["file"])

    def _read_picture(self, path: Path) -> NDArray[np.uint8]:
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing, {self._index_file} names it")
        try:
            pixels = read_pixels(path, modes=("RGBA",), max_pixels=MASK_SIDE**2)
        except PictureError as error:
            raise UserError(f"{path} {error}; labels are RGBA: I, U, V, confidence") from error
        labels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        _check_map(labels, str(path))
        return labels

    def _read_index(self) -> dict[str, Any]:
        if not self._index_file.is_file():
            raise FileNotFoundError(
                f"dense labels not found: {self._index_file}; write them with "
                "python -m mmktn label (docs/distillation.md)"
            )
        content = parse_json(self._index_file.read_bytes(), str(self._index_file))
        if not isinstance(content, dict):
            raise ValueError(f"{self._index_file}: holds a {type(content).__name__}, not a dict")
        for field, expected in _HEAD.items():
            if content.get(field) != expected:
                raise ValueError(
                    f"{self._index_file}: field {field}: {content.get(field)!r}, this version of "
                    f"mmktn reads {expected!r}"
                )
        if not isinstance(content.get("annotations"), list):
            raise ValueError(f"{self._index_file}: field annotations: not a list")
        return content

    def _check_record(self, record: Any, position: int) -> None:
        place = f"{self._index_file}: annotations[{position}]"
        for field in _RECORD_FIELDS:
            if not isinstance(record, dict) or field not in record:
                raise ValueError(f"{place}: field {field}: missing")
        box = number_list(record["bbox"])
        if box is None or box.shape != (4,) or not np.isfinite(box).all() or min(box[2:]) <= 0:
            text = shown(record["bbox"])
            raise ValueError(f"{place}: field bbox: {text}, not [x, y, width, height]")
        if not is_id(record["id"]) or record["id"] in self._records:
            text = shown(record["id"])
            raise ValueError(f"{place}: field id: {text} is no number or occurs twice")
        name = record["file"]
        if not is_name_inside(name):
            raise ValueError(f"{place}: field file: {shown(name)} is no name in this folder")


def _check_map(labels: NDArray[np.uint8], place: str) -> None:
    """Check shape and charts.

    Raises:
        ValueError: They are not those of dense labels.
    """
    shape = (len(DENSE_CHANNELS), MASK_SIDE, MASK_SIDE)
    if labels.shape != shape or labels.dtype != np.uint8:
        raise ValueError(f"{place}: {labels.dtype} {labels.shape}, not uint8 {shape}")
    if labels[0].max() > LAST_CHART:
        raise ValueError(f"{place}: chart {labels[0].max()} in the red channel, the last is 24")
