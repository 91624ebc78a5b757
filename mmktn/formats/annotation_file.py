"""Reading a DensePose-COCO JSON file without holding its tens of millions of numbers as objects.

A number of Python takes 32 bytes in a list; turned into float32 arrays while the file is parsed,
the points of the official training file need an eighth of that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmktn.formats.annotation_checks import POINT_FIELDS
from mmktn.formats.json_files import read_json

_NUMBER_FIELDS = ("keypoints", *POINT_FIELDS)


def read_annotation_file(path: str, backend_args: dict | None = None) -> Any:
    """Read a JSON file; keypoints and points of its records become float32 arrays.

    Fields that are no lists of numbers are left as they are, for the checks to report.

    Args:
        path: Existing file.
        backend_args: Of mmengine.fileio.

    Raises:
        UserError: The file is not JSON (often: its download was cut off); the text names it.
    """
    return read_json(path, "annotations", record=_compacted, backend_args=backend_args)


def _compacted(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its number lists as arrays; categories keep their keypoint names."""
    if "file_name" not in record and isinstance(record.get("coco_url"), str):
        record["file_name"] = record["coco_url"].rsplit("/", 1)[-1]  # LVIS has no other name
    if "image_id" in record:
        for field in _NUMBER_FIELDS:
            if field in record:
                record[field] = _as_array(record[field])
    return record


def _as_array(values: Any) -> Any:
    """Return a list of numbers as float32, anything else unchanged."""
    if not isinstance(values, list):
        return values
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, RecursionError):
        return values
    return array.astype(np.float32) if array.dtype.kind in "iuf" else values
