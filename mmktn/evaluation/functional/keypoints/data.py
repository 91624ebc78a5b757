"""COCO-style keypoint annotations and results as columns, checked on the way in.

Source: COCO keypoint format (CrowdPose: 14 keypoints, crowdIndex on images, no area). A field that
cannot be used raises an error that names the entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.annotation_names import local_annotation_file
from mmktn.formats.coco_fields import category_table, numbers, record_list, whole_id
from mmktn.formats.json_files import read_json
from mmktn.formats.shown import is_number, shown
from mmktn.utils.user_error import UserError

# Ids pass through float64, which is exact up to here.
_EXACT_IDS = 2**53


@dataclass
class KeypointTruth:
    """N annotated persons in file order.

    Attributes:
        ids: (N,) annotation ids.
        image_ids: (N,) images.
        category_ids: (N,) categories.
        boxes_xywh: (N, 4) boxes in pixels.
        areas: (N,) areas in pixels, nan where the file has none.
        crowd: (N,) COCO's iscrowd.
        num_keypoints: (N,) the field of the file.
        keypoints: (N, K, 3) x, y in pixels and v (0 unlabelled, 1 hidden, 2 visible).
        images: All image ids to crowdIndex, nan where there is none.
        categories: Category id to name.
        notes: Sentences on what the metrics will ignore.
        name: Used in messages.
    """

    ids: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    num_keypoints: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    images: dict[int, float]
    categories: dict[int, str]
    notes: list[str] = field(default_factory=list)
    name: str = "ground truth"

    @classmethod
    def from_file(cls, path: str | Path) -> "KeypointTruth":
        """Read a COCO keypoint JSON file.

        Args:
            path: The file. Where it is missing, another name under which it circulates is tried.

        Returns:
            The ground truth.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no JSON, or an entry is unusable; the entry is named.
        """
        file = local_annotation_file(path) or path
        return cls.from_coco(read_json(file, "ground truth (ann_file, --gt)"), name=str(file))

    @classmethod
    def from_coco(cls, data: Mapping[str, Any], name: str = "ground truth") -> "KeypointTruth":
        """Take over a COCO dictionary.

        Args:
            data: ``images``, ``annotations``, ``categories``.
            name: Used in messages.

        Returns:
            The ground truth.

        Raises:
            ValueError: An entry is unusable; the entry is named.
        """
        images = _crowd_indices(record_list(data, "images", name), name)
        categories = category_table(data, name)
        entries = record_list(data, "annotations", name)
        names = [f"{name}: annotation {a.get('id', f'no. {k}')}" for k, a in enumerate(entries)]
        has_points = [k for k, a in enumerate(entries) if "keypoints" in a]
        notes = []
        if len(has_points) < len(entries):
            notes.append(f"{len(entries) - len(has_points)} annotations without keypoints left out")
            entries, names = [entries[k] for k in has_points], [names[k] for k in has_points]
        truth = cls(
            ids=_column(entries, names, "id").astype(np.int64),
            image_ids=_column(entries, names, "image_id").astype(np.int64),
            category_ids=_column(entries, names, "category_id").astype(np.int64),
            boxes_xywh=_column(entries, names, "bbox", width=4),
            areas=_column(entries, names, "area", default=np.nan),
            crowd=_column(entries, names, "iscrowd", default=0) != 0,
            num_keypoints=_column(entries, names, "num_keypoints", default=-1).astype(np.int64),
            keypoints=_keypoints(entries, names),
            images=images,
            categories=categories,
            notes=notes,
            name=name,
        )
        truth._check()
        return truth

    def _check(self) -> None:
        known_once, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise UserError(
                f"{self.name}, annotation id {known_once[counts > 1][0]}, field id: annotation id "
                "used more than once"
            )
        for ids, known, what in (
            (self.image_ids, self.images, "image_id"),
            (self.category_ids, self.categories, "category_id"),
        ):
            unknown = np.flatnonzero(~np.isin(ids, list(known)))
            if len(unknown):
                k = unknown[0]
                raise ValueError(f"{self.name}: annotation {self.ids[k]}: unknown {what} {ids[k]}")
        uncounted = self.num_keypoints < 0
        if uncounted.any():
            labelled = (self.keypoints[..., 2] > 0).sum(axis=1)
            self.num_keypoints = np.where(uncounted, labelled, self.num_keypoints)
            self.notes.append(f"{uncounted.sum()} annotations without num_keypoints: v > 0 counted")

    @property
    def num_points(self) -> int:
        """Keypoints per person K."""
        return self.keypoints.shape[1]


@dataclass
class KeypointDetections:
    """N keypoint results in the order of the list.

    Attributes:
        image_ids: (N,) images.
        category_ids: (N,) categories.
        scores: (N,) scores.
        keypoints: (N, K, 3) x, y in pixels and a score or flag per point.
        areas: (N,) area of the box if the first result has one, else of the points' extent.
        notes: Sentences on what was left out.
        name: Used in messages.
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    areas: NDArray[np.float64]
    notes: list[str] = field(default_factory=list)
    name: str = "results"

    def __len__(self) -> int:
        """Number of results."""
        return len(self.scores)

    @classmethod
    def from_entries(
        cls, entries: Sequence[Mapping[str, Any]], name: str = "results"
    ) -> "KeypointDetections":
        """Take over COCO keypoint results.

        Args:
            entries: Dictionaries with image_id, category_id, keypoints, score, maybe bbox.
            name: Used in messages.

        Returns:
            The detections.

        Raises:
            ValueError: An entry is unusable; it is named.
        """
        names = [f"{name}: entry {k}" for k in range(len(entries))]
        keypoints = _keypoints(entries, names)
        if entries and entries[0].get("bbox"):
            boxes = _column(entries, names, "bbox", width=4)
            areas = boxes[:, 2] * boxes[:, 3]
        else:
            areas = np.prod(np.ptp(keypoints[..., :2], axis=1), axis=1) if entries else np.zeros(0)
        return cls(
            image_ids=_column(entries, names, "image_id").astype(np.int64),
            category_ids=_column(entries, names, "category_id").astype(np.int64),
            scores=_column(entries, names, "score", finite=False),
            keypoints=keypoints,
            areas=areas,
            name=name,
        )

    def problems(self, truth: KeypointTruth) -> list[tuple[int, str]]:
        """List the results that cannot be evaluated.

        Args:
            truth: Ground truth with the known images and categories.

        Returns:
            (position, sentence) for each of them.
        """
        checks = [
            (~np.isin(self.image_ids, list(truth.images)), "image_id is not in the ground truth"),
            (
                ~np.isin(self.category_ids, list(truth.categories)),
                f"category_id is not one of {sorted(truth.categories)}",
            ),
            (~np.isfinite(self.scores), "score is not a finite number"),
        ]
        found = [
            (
                int(k),
                f"{self.name}: entry {k} (image {self.image_ids[k]}): {text}; "
                f"category {self.category_ids[k]}, score {self.scores[k]}",
            )
            for bad, text in checks
            for k in np.flatnonzero(bad)
        ]
        if len(self) and len(truth.ids) and self.keypoints.shape[1] != truth.num_points:
            found.append(
                (0, f"{self.name}: entry 0: {self.keypoints.shape[1]} keypoints, the ground truth "
                    f"has {truth.num_points}")
            )  # fmt: skip
        return sorted(found)

    def take(self, keep: NDArray[np.int64], note: str = "") -> "KeypointDetections":
        """Keep some results.

        Args:
            keep: Positions to keep.
            note: Sentence to add to the notes.

        Returns:
            Those results.
        """
        return KeypointDetections(
            self.image_ids[keep],
            self.category_ids[keep],
            self.scores[keep],
            self.keypoints[keep],
            self.areas[keep],
            notes=[*self.notes, note] if note else list(self.notes),
            name=self.name,
        )


def _crowd_indices(images: Sequence[Mapping[str, Any]], name: str) -> dict[int, float]:
    """Return the crowdIndex of each image by its id, nan where it is missing or null."""
    found = {}
    for place, image in enumerate(images):
        if "id" not in image:
            raise ValueError(f"{name}: image no. {place}: no field 'id'")
        value = image.get("crowdIndex")
        if value is not None and not isinstance(value, int | float):
            raise ValueError(f"{name}: image {image['id']}: crowdIndex {value!r} is not a number")
        if value is not None and not is_number(value):
            raise UserError(f"{name}: image {shown(image['id'])}: crowdIndex {value} is not finite")
        key = whole_id(image["id"], f"{name}: image no. {place}: id")
        if key in found:
            raise UserError(f"{name}, image id {key}, field id: image id used more than once")
        found[key] = np.nan if value is None else float(value)
    return found


def _column(
    entries: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    key: str,
    *,
    width: int = 0,
    default: float | None = None,
    finite: bool = True,
) -> NDArray[np.float64]:
    """Return one field of all entries: (N,) or (N, width)."""
    missing = [name for name, e in zip(names, entries, strict=True) if key not in e]
    if missing and default is None:
        raise ValueError(f"{missing[0]}: no field {key!r} ({len(missing)} entries lack it)")
    shape = (len(entries), width) if width else (len(entries),)
    values = [e.get(key, default) for e in entries]
    if key in ("id", "image_id", "category_id"):
        for name, value in zip(names, values, strict=True):
            if abs(whole_id(value, f"{name}: {key}")) > _EXACT_IDS:
                raise UserError(f"{name}: {key} {shown(value)} is larger than {_EXACT_IDS}")
    if key == "area":
        for name, entry in zip(names, entries, strict=True):
            if key in entry and (not is_number(entry[key]) or entry[key] < 0):
                raise UserError(
                    f"{name}: area is no finite number of 0 or more: {shown(entry[key])}"
                )
    try:
        table = np.asarray(values, dtype=np.float64).reshape(shape)
    except (TypeError, ValueError, OverflowError, RecursionError):
        for name, value in zip(names, values, strict=True):
            array = numbers(value, f"{name}: {key}")
            if array.size != max(width, 1):
                raise ValueError(
                    f"{name}: {key} needs {max(width, 1)} numbers, got {array.size}"
                ) from None
        raise
    if finite and default is None and not np.isfinite(table).all():
        bad = int(np.argwhere(~np.isfinite(table))[0][0])
        raise ValueError(f"{names[bad]}: {key} is not finite: {values[bad]}")
    return table


def _keypoints(entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """Return (N, K, 3) keypoints; all entries must have the same K."""
    if not entries:
        return np.zeros((0, 0, 3))
    for name, entry in zip(names, entries, strict=True):
        if "keypoints" not in entry:
            raise ValueError(f"{name}: no field 'keypoints'")
        if not isinstance(entry["keypoints"], list | tuple | np.ndarray):
            raise UserError(f"{name}: keypoints are no list: {shown(entry['keypoints'])}")
    lengths = {len(e["keypoints"]) for e in entries}
    expected = len(entries[0]["keypoints"])
    if len(lengths) > 1 or expected % 3 or not expected:
        bad = next((k for k, e in enumerate(entries) if len(e["keypoints"]) != expected), 0)
        raise ValueError(
            f"{names[bad]}: {len(entries[bad]['keypoints'])} keypoint numbers; a multiple of 3, "
            f"and as many as in the first entry ({expected}), are expected"
        )
    return _column(entries, names, "keypoints", width=expected).reshape(len(entries), -1, 3)
