"""Projects as DensePose-COCO files, and such files as projects.

What the format has no field for stands in `mmktn` of a person: where the parts come from, what the
model proposed, who worked on it and how long, which points could not be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.points import GRID
from mmktn.annotator.part_maps import (
    Box,
    checked_box,
    decode_runs,
    encode_runs,
    from_image,
    to_image,
)
from mmktn.annotator.project import Project
from mmktn.annotator.store import FINAL, MAIN, SECOND, Change
from mmktn.formats.annotation_checks import (
    AnnotationError,
    file_problems,
    has_charts,
    has_densepose,
)
from mmktn.formats.json_files import read_json
from mmktn.formats.masks import NUM_PARTS, merge_dp_masks, segmentation_mask
from mmktn.surface.parts import CHART_TO_COARSE
from mmktn.synthetic.annotate import encode_rle
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import UserError

IMPORT = "import"


def export_coco(project: Project) -> dict[str, Any]:
    """Return all photos that were opened and their people, without the hidden ones.

    Returns:
        A DensePose-COCO file as JSON-ready dict. The category is called "person" whatever is
        annotated, as every reader of the format expects; `supercategory` says what it is.
    """
    scheme = project.body.scheme
    images, annotations = [], []
    drawn = project.drawn_photos()
    for photo in project.store.photos():
        people = project.store.people(photo["id"])
        if photo["hidden"] or (not people and photo["id"] not in drawn):
            continue
        width, height = photo["width"], photo["height"]
        if width is None:
            width, height = project.photos.size(photo["name"])
        images.append(
            {"id": photo["id"], "file_name": photo["name"], "height": height, "width": width}
        )
        annotations += [_annotation(project, person, (height, width)) for person in people]
    category: dict[str, Any] = {"id": 1, "name": "person", "supercategory": scheme.subject}
    category["keypoints"] = list(scheme.keypoints)
    if not scheme.is_human:
        category["parts"] = [part.name for part in scheme.parts]
    return {
        "info": {"description": f"labels of mmktn annotate, body {project.body.surface.name}"},
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }


def write_export(project: Project, out: Path) -> tuple[int, list[str]]:
    """Write the DensePose-COCO file; returns the number of people and what the checker says."""
    data = export_coco(project)
    write_json(out, data)
    project.store.set_meta("exported", True)
    return len(data["annotations"]), [str(p) for p in file_problems(data, out.name)]


def import_coco(project: Project, path: str | Path) -> int:
    """Read people of a DensePose-COCO file into the project; returns how many.

    Pictures are found by `file_name`, whole or the last part; people whose picture is not in the
    project are an error.

    Args:
        project: Where they go; it must not hold people yet.
        path: The file.

    Raises:
        FileNotFoundError, UserError: The file cannot be used; nothing is imported then.
    """
    if any(person["truth"] is None for person in project.store.people()):
        raise UserError(f"{path}: the project holds people already; import into a new --out")
    data = read_json(path, "--import")
    problems = list(file_problems(data, str(path)))
    if problems:
        raise AnnotationError(problems)
    ids = _photo_ids(project, data, path)
    prepared = []
    for annotation in data["annotations"]:
        if annotation["iscrowd"]:
            continue
        photo = ids[annotation["image_id"]]
        size = project.photos.size(project.store.photo(photo)["name"])
        prepared.append((photo, _entries(project, annotation, size, path)))
    with project.store.transaction():
        for photo, entries in prepared:
            person = project.store.add_person(photo)
            project.store.write(IMPORT, person, MAIN, entries)
        for photo in sorted(set(ids.values())):
            project.store.write(IMPORT, -photo, MAIN, [("boxes", "", True)])
    return len(prepared)


def _annotation(
    project: Project, person: dict[str, Any], image_hw: tuple[int, int]
) -> dict[str, Any]:
    store, scheme = project.store, project.body.scheme
    number = person["id"]
    box: Box = tuple(store.value(number, MAIN, "box"))
    parts = store.value(number, MAIN, "parts")
    record: dict[str, Any] = {
        "id": number,
        "image_id": person["photo"],
        "category_id": 1,
        "iscrowd": 0,
        "bbox": list(box),
        "area": round(box[2] * box[3], 2),
    }
    seconds = {
        layer: {name: round(value, 1) for name, value in found.items()}
        for layer in (MAIN, SECOND, FINAL)
        if (found := store.seconds_of(number, layer))
    }
    extra: dict[str, Any] = {
        "stage": store.value(number, MAIN, "stage") or "parts",
        "seconds": seconds,
    }
    if parts is not None:
        grid = decode_runs(parts["runs"], len(scheme.parts))
        extra["parts"] = {k: v for k, v in parts.items() if k not in ("runs", "proposal")}
        mask = to_image(grid, box, image_hw)
        if mask.any():
            record["segmentation"] = encode_rle(mask)
            record["area"] = float(mask.sum())
        masks = _dp_masks(project, grid)
        points = _points(project, number)
        extra["skipped"] = points.pop("skipped")
        if points["dp_x"]:
            record |= {"dp_masks": masks, **points}
        else:
            extra["dp_masks"] = masks
    marks = {e.key: e.value for e in store.entries(number, MAIN, "keypoint")}
    if scheme.keypoints:
        # COCO counts pixels: the middle of pixel i is i there and i + 0.5 in the photo.
        rows = [marks.get(name) for name in scheme.keypoints]
        flat: list[float] = []
        for row in rows:
            flat += [0, 0, 0] if row is None else [row[0] - 0.5, row[1] - 0.5, row[2]]
        record["keypoints"], record["num_keypoints"] = flat, len(marks)
    record["mmktn"] = extra
    return record


def _dp_masks(project: Project, grid: NDArray[np.uint8]) -> list[Any]:
    """Return 14 part masks; one mask of the whole body where there are more parts than that."""
    scheme = project.body.scheme
    if scheme.is_human and len(scheme.parts) > NUM_PARTS:
        # One part a chart, as DensePose's charts are numbered.
        grid = CHART_TO_COARSE[grid].astype(np.uint8)
    elif len(scheme.parts) > NUM_PARTS:
        return [encode_rle(grid > 0)]
    numbers = range(1, NUM_PARTS + 1)
    return [encode_rle(grid == k) if (grid == k).any() else [] for k in numbers]


def _points(project: Project, person: int) -> dict[str, list[Any]]:
    """List what was placed in dp_ fields (adjudicated places first), and what was skipped."""
    clicks = {e.key: e.value for e in project.store.entries(person, MAIN, "click")}
    clicks |= {e.key: e.value for e in project.store.entries(person, FINAL, "click")}
    columns: dict[str, list[Any]] = {
        name: [] for name in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "skipped")
    }
    for point in project.store.value(person, MAIN, "points") or []:
        click = clicks.get(str(point["id"]))
        if click is None:
            continue
        if "skip" in click:
            columns["skipped"].append([point["x"], point["y"], point["part"]])
            continue
        for name, value in (("dp_x", point["x"]), ("dp_y", point["y"])):
            columns[name].append(value)
        for name in ("I", "U", "V"):
            columns[f"dp_{name}"].append(float(click[name]))
    return columns


def _photo_ids(project: Project, data: dict[str, Any], path: str | Path) -> dict[Any, int]:
    """Image id of the file -> photo of the project."""
    by_name = {photo["name"]: photo["id"] for photo in project.store.photos()}
    by_end: dict[str, list[int]] = {}
    for name, number in by_name.items():
        by_end.setdefault(PurePosixPath(name).name, []).append(number)
    ids = {}
    for image in data["images"]:
        name = image["file_name"]
        found = [by_name[name]] if name in by_name else by_end.get(PurePosixPath(name).name, [])
        if len(found) != 1:
            what = "is not among the photos" if not found else "is the name of several photos"
            raise UserError(f"{path}: image id {image['id']}: {name} {what}")
        ids[image["id"]] = found[0]
    return ids


def _entries(
    project: Project, annotation: dict[str, Any], size_wh: tuple[int, int], path: str | Path
) -> list[Change]:
    """Return a person of a file as entries."""
    scheme = project.body.scheme
    where = f"{path}, annotation id {annotation['id']}"
    try:
        box = checked_box([float(n) for n in annotation["bbox"]], size_wh)
        exact: Box = tuple(float(n) for n in annotation["bbox"])  # type: ignore[assignment]
        grid = _imported_parts(project, annotation, exact, (size_wh[1], size_wh[0]))
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    # The points' grid is that of the file's box: cutting it would move them.
    entries: list[Change] = [("box", "", list(exact if has_densepose(annotation) else box))]
    if grid is not None:
        source = {"source": "drawn", **(annotation.get("mmktn") or {}).get("parts", {})}
        entries.append(("parts", "", {**source, "runs": encode_runs(grid)}))
    points, clicks = _imported_points(project, annotation, grid)
    if points:
        entries += [("points", "", points), *clicks]
    if annotation.get("keypoints") and scheme.keypoints:
        rows = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
        if len(rows) == len(scheme.keypoints):
            entries += [
                ("keypoint", name, [float(x) + 0.5, float(y) + 0.5, int(v)])
                for name, (x, y, v) in zip(scheme.keypoints, rows.tolist(), strict=True)
                if v
            ]
    stage = (annotation.get("mmktn") or {}).get("stage", "done" if points else "parts")
    return [*entries, ("stage", "", stage)]


def _imported_parts(
    project: Project, annotation: dict[str, Any], box: Box, image_hw: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """Return the part map of a file's person; None where there is none or it has other parts."""
    scheme = project.body.scheme
    masks = annotation.get("dp_masks") or (annotation.get("mmktn") or {}).get("dp_masks")
    if masks and len(masks) == NUM_PARTS and len(scheme.parts) <= NUM_PARTS:
        grid = merge_dp_masks(masks)
        if grid.max() > len(scheme.parts):
            raise UserError(f"field dp_masks: part {grid.max()}, there are {len(scheme.parts)}")
        return grid
    segmentation = annotation.get("segmentation")
    if len(scheme.parts) == 1 and segmentation:
        return from_image(segmentation_mask(segmentation, image_hw), box)
    return None


def _imported_points(
    project: Project, annotation: dict[str, Any], grid: NDArray[np.uint8] | None
) -> tuple[list[dict[str, Any]], list[Change]]:
    """Return the points and clicks of a file's person; the part is that of the chart."""
    if annotation.get("dp_x") and not has_charts(annotation):
        raise UserError(
            f"annotation id {annotation['id']}: its points have vertices of a mesh, no charts, U "
            "and V, which the page works with"
        )
    columns: Sequence[Any] = [annotation.get(f"dp_{name}") or [] for name in "xyIUV"]
    points: list[dict[str, Any]] = []
    clicks: list[Change] = []
    for number, (x, y, chart, u, v) in enumerate(zip(*columns, strict=True)):
        part = int(project.body.scheme.part_of_chart[int(chart)])
        if not part:
            raise UserError(
                f"annotation id {annotation['id']}: chart {chart:g} is of no part of "
                f"{project.body.scheme.subject}"
            )
        if grid is not None:
            part = int(grid[min(int(y), GRID - 1), min(int(x), GRID - 1)]) or part
        vertex, _ = project.body.locate(int(chart), float(u), float(v))
        points.append({"id": number, "x": float(x), "y": float(y), "part": part})
        value = {"I": int(chart), "U": float(u), "V": float(v), "vertex": vertex}
        clicks.append(("click", str(number), value))
    for x, y, part in (annotation.get("mmktn") or {}).get("skipped", []):
        number = len(points)
        points.append({"id": number, "x": float(x), "y": float(y), "part": int(part)})
        clicks.append(("click", str(number), {"skip": True}))
    return points, clicks
