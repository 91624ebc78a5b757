"""Reading and writing of result files.

Formats: the official DensePose JSON (PNG-coded ``uv_data``; also the older detectron2 form), an
.npz form with flat arrays, and COCO keypoint results. Numbers may be written as strings, as the
official example does. Maps stay coded until they are asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.chart_arrays import decode_png, encode_png
from mmktn.formats.coco_fields import numbers, whole_id
from mmktn.formats.dense_detections import DenseDetections, IuvMap, result_hw
from mmktn.formats.json_files import read_json
from mmktn.formats.limits import MAX_MAP_PIXELS
from mmktn.formats.shown import shown
from mmktn.utils.array_files import read_arrays
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError

# Ids pass through float64, which is exact up to here.
_EXACT_IDS = 2**53
_NPZ_DIMS = {"bbox": 2, "iuv_shape": 2}
NPZ_FIELDS = ("image_id", "category_id", "bbox", "score", "iuv_shape", "iuv_offset", "iuv")


def official_entry(detections: DenseDetections, index: int) -> dict[str, Any]:
    """Return one entry of an official result file.

    Args:
        detections: Results.
        index: Position.

    Returns:
        The dictionary, ready for JSON.
    """
    iuv = detections.iuv(index)
    return {
        "image_id": int(detections.image_ids[index]),
        "category_id": int(detections.category_ids[index]),
        "bbox": detections.boxes_xywh[index].tolist(),
        "score": float(detections.scores[index]),
        "uv_shape": list(iuv.shape),
        "uv_data": encode_png(iuv),
    }


def save_npz(detections: DenseDetections, path: str | Path) -> None:
    """Write the .npz form.

    Args:
        detections: Results.
        path: File to write.
    """
    maps = [detections.iuv(k) for k in range(len(detections))]
    shapes = np.array([m.shape[1:] for m in maps], dtype=np.int32).reshape(-1, 2)
    with replace_atomically(path) as file:
        np.savez_compressed(
            file,
            image_id=detections.image_ids,
            category_id=detections.category_ids,
            bbox=detections.boxes_xywh,
            score=detections.scores,
            iuv_shape=shapes,
            iuv_offset=np.cumsum([0, *(m.size for m in maps)]).astype(np.int64),
            iuv=np.concatenate([m.reshape(-1) for m in maps] or [np.zeros(0, dtype=np.uint8)]),
        )


def read_results(path: str | Path) -> DenseDetections:
    """Read a dense-pose result file.

    Args:
        path: .json in the official format, or .npz.

    Returns:
        The detections.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is malformed; the entry and field are named.
    """
    file = Path(path)
    if file.suffix == ".npz":
        return read_npz(file)
    entries = read_json(file, "results (--results)")
    return from_entries(result_list(entries, str(file)), name=str(file))


def result_list(content: Any, name: str) -> list[dict[str, Any]]:
    """Return the entries of a result file in JSON.

    Args:
        content: The whole file.
        name: The file, for the message.

    Returns:
        The entries.

    Raises:
        UserError: It is no list of objects.
    """
    if not isinstance(content, list):
        raise UserError(f"{name}: a list of results is expected, this is {shown(content)}")
    for place, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise UserError(f"{name}: entry {place} is no object but {shown(entry)}")
    return content


def read_npz(path: Path) -> DenseDetections:
    """Read the .npz form.

    Args:
        path: The file.

    Returns:
        The detections.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A field is missing or does not fit.
    """
    fields = read_arrays(path, NPZ_FIELDS, what="results")
    for name, array in fields.items():
        kinds, dims = ("iuf" if name in ("bbox", "score") else "iu"), _NPZ_DIMS.get(name, 1)
        if array.dtype.kind not in kinds or array.ndim != dims:
            raise UserError(
                f"{path}: field {name} is {array.dtype} of {array.ndim} dimensions; numbers in "
                f"{dims} are expected"
            )
    shapes, offsets, flat = fields["iuv_shape"], fields["iuv_offset"], fields["iuv"]
    count = len(fields["score"])
    if fields["bbox"].shape[1:] != (4,) or shapes.shape[1:] != (2,) or (shapes < 0).any():
        raise UserError(f"{path}: bbox needs 4 columns, iuv_shape 2 of whole numbers from 0 on")
    if (shapes.astype(np.float64).prod(axis=1) > MAX_MAP_PIXELS).any():
        raise UserError(f"{path}: iuv_shape: a map has more than {MAX_MAP_PIXELS} pixels")
    shapes, offsets = shapes.astype(np.int64), offsets.astype(np.int64)
    lengths = {name: len(fields[name]) for name in ("image_id", "category_id", "bbox", "iuv_shape")}
    if set(lengths.values()) != {count} or len(offsets) != count + 1 or flat.dtype != np.uint8:
        raise ValueError(f"{path}: {count} scores, {lengths}, {len(offsets)} offsets, {flat.dtype}")
    if (
        offsets[0] != 0
        or (np.diff(offsets) != 3 * shapes.prod(axis=1)).any()
        or offsets[-1] != len(flat)
    ):
        raise ValueError(f"{path}: iuv_offset does not fit iuv_shape and iuv")
    maps = _FlatMaps(flat, offsets, shapes)
    return DenseDetections.from_maps(
        fields["image_id"],
        fields["bbox"],
        scores=fields["score"],
        maps=maps,
        category_ids=fields["category_id"],
        name=str(path),
    )


class _FlatMaps(Sequence[IuvMap]):
    """Maps of different sizes one after the other in one array."""

    def __init__(
        self, flat: NDArray[np.uint8], offsets: NDArray[np.int64], shapes: NDArray[np.int64]
    ) -> None:
        self.flat, self.offsets, self.shapes = flat, offsets, shapes

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: Any) -> Any:
        values = self.flat[self.offsets[index] : self.offsets[index + 1]]
        return values.reshape(3, *self.shapes[index])


def from_entries(entries: Sequence[Mapping[str, Any]], name: str = "results") -> DenseDetections:
    """Read entries of the official format.

    Args:
        entries: Dictionaries with image_id, category_id, bbox, score and either uv_shape and
            uv_data or, in the older form, ``densepose: [[shape, data], bbox]``.
        name: Used in messages.

    Returns:
        The detections; maps are decoded when asked for.

    Raises:
        ValueError: A field is missing or no number; the entry is named.
    """
    columns: list[list[float]] = []
    coded: list[str] = []
    for k, entry in enumerate(result_list(list(entries), name)):
        where = f"{name}: entry {k}"
        columns.append(_scalars(entry, where))
        coded.append(_coded_map(entry, columns[-1], where))
    table = np.array(columns, dtype=np.float64).reshape(-1, 7)

    def load(index: int) -> IuvMap:
        where = f"{name}: entry {index} (image {int(table[index, 0])})"
        return decode_png(coded[index], where=where)

    return DenseDetections(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2:6],
        table[:, 6],
        load_map=load,
        name=name,
    )


def _scalars(entry: Mapping[str, Any], where: str) -> list[float]:
    """image_id, category_id, bbox and score; scores may be nan here and are refused later."""
    values: list[float] = []
    for key, count in (("image_id", 1), ("category_id", 1), ("bbox", 4), ("score", 1)):
        if key not in entry:
            raise ValueError(f"{where}: no field {key!r}")
        try:
            array = np.asarray(entry[key], dtype=np.float64).reshape(-1)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise UserError(f"{where}: {key} is no number: {shown(entry[key])}") from error
        if array.size != count:
            raise ValueError(f"{where}: {key} needs {count} numbers, got {array.size}")
        if key.endswith("_id"):
            whole_id(entry[key], f"{where}: {key}")
            if abs(array[0]) > _EXACT_IDS:
                raise UserError(f"{where}: {key} {shown(entry[key])} is larger than {_EXACT_IDS}")
        values += array.tolist()
    return values


def _coded_map(entry: Mapping[str, Any], scalars: Sequence[float], where: str) -> str:
    where = f"{where} (image {int(scalars[0])})"
    if "densepose" in entry:
        try:
            (shape, text), _ = entry["densepose"]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: densepose is not [[shape, data], bbox]") from error
    else:
        missing = [key for key in ("uv_shape", "uv_data") if key not in entry]
        if missing:
            raise ValueError(f"{where}: no field {missing[0]!r}")
        shape, text = entry["uv_shape"], entry["uv_data"]
    box = np.array(scalars[2:6])
    if (box[2:] > MAX_MAP_PIXELS).any() or box[2] * box[3] > MAX_MAP_PIXELS:
        raise UserError(f"{where}: bbox {box.tolist()} has more than {MAX_MAP_PIXELS} pixels")
    if np.isfinite(box).all():
        expected = (3, *result_hw(box))
        read = np.ravel(numbers(shape, f"{where}: uv_shape")).tolist()
        given = tuple(int(side) if side.is_integer() else side for side in read)
        if given != expected:
            raise ValueError(
                f"{where}: uv_shape {given}, but the box {box.tolist()} needs {expected}"
            )
    if not isinstance(text, str):
        raise ValueError(f"{where}: uv_data is no text")
    return text


def read_keypoint_results(path: str | Path) -> list[dict[str, Any]]:
    """Read COCO keypoint results.

    Args:
        path: JSON list.

    Returns:
        The entries.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no list of results.
    """
    entries = read_json(path, "results (--results)")
    return result_list(entries, str(path))


def check_maps(detections: DenseDetections) -> list[tuple[int, str]]:
    """Decode every map and list those that cannot be read.

    Args:
        detections: Results.

    Returns:
        (position, sentence) for each of them.
    """
    found = []
    for k in range(len(detections)):
        try:
            detections.iuv(k)
        except ValueError as error:  # noqa: PERF203 - one message per broken map
            found.append((k, str(error)))
    return found
