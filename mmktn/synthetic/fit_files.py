"""Files of fitted bodies: who is in which picture, with which vertices, under which camera.

Two forms (docs/fits.md): an .npz with one row per person, as BEDLAM and mesh-recovery code write it
(`vertices`, or pose and shape for a body model), and a .json list that names mesh files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.json_files import read_json
from mmktn.formats.mesh_files import read_mesh_vertices
from mmktn.formats.pictures import MAX_PIXELS
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.linear_model import LinearBodyModel
from mmktn.surface.mesh_map import MeshMap
from mmktn.synthetic.mesh_labels import (
    ChartedMesh,
    FittedPerson,
    MeshLabels,
    PinholeCamera,
    label_meshes,
)
from mmktn.utils.array_files import check_arrays, read_arrays
from mmktn.utils.user_error import UserError

# The first name of each row that the file has is taken.
_NAMES = {
    "image": ("imgname", "image", "img_name", "image_name"),
    "vertices": ("vertices", "verts", "pred_vertices"),
    "pose": ("pose_cam", "poses", "pose", "fullpose"),
    "shape": ("shape", "betas", "shapes"),
    "translation": ("trans_cam", "transl", "trans"),
    "matrix": ("cam_int", "intrinsics", "K"),
    "focal": ("focal_length", "focal"),
    "offset": ("pred_cam_t", "cam_t"),
    "extrinsics": ("cam_ext", "extrinsics"),
    "keypoints": ("keypoints",),
    "score": ("score", "scores"),
    "image_hw": ("image_hw",),
}
_PARTS = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose", "left_hand_pose",
          "right_hand_pose")  # fmt: skip
_MESH, _WHAT = "mesh", "fitted bodies"


@dataclass(frozen=True)
class FitFile:
    """Fits of a file, by image.

    Attributes:
        images: image name -> numbers of its people in the file, in the file's order.
        person: number, image size (h, w) -> the person; errors name the entry.
        sizes: image name -> (h, w) where the file tells it.
    """

    images: dict[str, list[int]]
    person: Callable[[int, tuple[int, int]], FittedPerson]
    sizes: dict[str, tuple[int, int]]


def read_fits(path: str | Path, *, model: LinearBodyModel | None = None) -> FitFile:
    """Open a file of fitted bodies; vertices are made when a person is asked for.

    Args:
        path: .npz or .json.
        model: turns pose and shape into vertices where the file has none.

    Returns:
        The fits.

    Raises:
        FileNotFoundError: no such file.
        UserError: it is malformed; the text names file, entry and field.
    """
    file = Path(path)
    rows = _json_rows(file) if file.suffix.lower() == ".json" else _npz_rows(file)
    images: dict[str, list[int]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        name = row.get("image")
        if not isinstance(name, str) or not name:
            raise UserError(f"{file}: entry {number} names no image")
        images.setdefault(name, []).append(number)
        if "image_hw" in row:
            hw = _array(row, "image_hw", (2,))
            if (hw < 1).any() or (hw != np.rint(hw)).any() or hw.prod() > MAX_PIXELS:
                raise UserError(f"{file}: entry {number}: image_hw {hw.tolist()} is no image size")
            sizes[name] = int(hw[0]), int(hw[1])

    def person(number: int, image_hw: tuple[int, int]) -> FittedPerson:
        try:
            return _person(rows[number], file.parent, model, image_hw)
        except (UserError, FileNotFoundError) as error:
            raise UserError(f"{file}: entry {number}: {error}") from error

    return FitFile(images, person, sizes)


def import_fits(
    fits: FitFile,
    surface: BodySurface,
    *,
    sizes: dict[str, tuple[int, int]],
    mesh_map: MeshMap | None = None,
) -> Iterator[tuple[str, list[float], MeshLabels]]:
    """Label image after image.

    Args:
        fits: what `read_fits` gives.
        surface: whose charts.
        sizes: image name -> (h, w) of every image of the fits.
        mesh_map: from the fitted meshes to the surface's or SMPL's; None where it is one of them,
            or Anny's.

    Yields:
        Image name, scores of its people, their labels.

    Raises:
        UserError: an entry cannot be used; the text names it.
    """
    charted: dict[int, ChartedMesh] = {}
    for name, numbers in fits.images.items():
        people = [fits.person(number, sizes[name]) for number in numbers]
        counts = {len(person.vertices) for person in people}
        if len(counts) != 1:
            raise UserError(f"{name}: meshes of {sorted(counts)} vertices in one image")
        count = counts.pop()
        if count not in charted:
            charted[count] = ChartedMesh.of(surface, count, mesh_map)
        try:
            labels = label_meshes(people, charted[count])
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
        yield name, [person.score for person in people], labels


def _npz_rows(file: Path) -> list[dict[str, Any]]:
    present = check_arrays(file, what=_WHAT)
    chosen = {
        key: next((name for name in names if name in present), None)
        for key, names in _NAMES.items()
    }
    if chosen["image"] is None:
        raise UserError(f"{file}: no array {_NAMES['image'][0]!r} that names the pictures")
    taken = {key: name for key, name in chosen.items() if name is not None}
    parts = [name for name in _PARTS if name in present]
    arrays = read_arrays(file, [*taken.values(), *parts], what=_WHAT)
    names = arrays[taken["image"]]
    if names.ndim != 1 or names.dtype.kind not in "US" or not len(names):
        raise UserError(f"{file}: {taken['image']} is {names.dtype} {names.shape}, need (N,) names")
    count = len(names)
    shared = {"matrix": 2, "focal": 0, "extrinsics": 2}
    for key, name in [*taken.items(), *((part, part) for part in parts)]:
        array = arrays[name]
        alone = key in shared and array.ndim == shared[key]
        if not alone and len(np.atleast_1d(array)) != count:
            raise UserError(f"{file}: {name} has {array.shape}, need {count} rows, one per person")
        if key != "image" and array.dtype.kind not in "iuf":
            raise UserError(f"{file}: {name} is {array.dtype}, need numbers")
    rows: list[dict[str, Any]] = []
    for k in range(count):
        row: dict[str, Any] = {}
        for key, name in taken.items():
            alone = key in shared and arrays[name].ndim == shared[key]
            row[key] = arrays[name] if alone else arrays[name][k]
        text = row["image"]
        row["image"] = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        row.update({part: arrays[part][k] for part in parts})
        row["pose_in_camera"] = taken.get("pose") == "pose_cam"
        rows.append(row)
    return rows


def _json_rows(file: Path) -> list[dict[str, Any]]:
    content = read_json(file, _WHAT)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise UserError(f"{file}: need a list of objects, one per person")
    rows = []
    for entry in content:
        row = {
            key: entry[name]
            for key, names in _NAMES.items()
            for name in names[::-1]
            if name in entry
        }
        row.update({name: entry[name] for name in (_MESH, *_PARTS) if name in entry})
        row["pose_in_camera"] = "pose_cam" in entry
        rows.append(row)
    return rows


def _array(row: Mapping[str, Any], key: str, *shapes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the numbers of a field; -1 in a shape stands for any length."""
    try:
        array = np.asarray(row[key], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{key} holds something else than numbers") from error
    fits = any(
        array.ndim == len(shape)
        and all(want in (-1, size) for want, size in zip(shape, array.shape, strict=True))
        for shape in shapes
    )
    if not fits or not np.isfinite(array).all():
        wanted = " or ".join(str(shape) for shape in shapes)
        raise UserError(f"{key} is {array.shape}, need {wanted} of finite numbers")
    return array


def _person(
    row: Mapping[str, Any], folder: Path, model: LinearBodyModel | None, image_hw: tuple[int, int]
) -> FittedPerson:
    vertices = _vertices(row, folder, model)
    if "extrinsics" in row:
        turn = _array(row, "extrinsics", (4, 4), (3, 4))
        if row["pose_in_camera"] and not {"vertices", _MESH} & row.keys():
            vertices = vertices + turn[:3, 3]  # BEDLAM: the pose is turned already
        else:
            vertices = vertices @ turn[:3, :3].T + turn[:3, 3]
    if "offset" in row:
        vertices = vertices + _array(row, "offset", (3,))
    keypoints = _array(row, "keypoints", (17, 3)) if "keypoints" in row else None
    score = float(_array(row, "score", ())) if "score" in row else 1.0
    return FittedPerson(vertices, _camera(row, image_hw), keypoints, score)


def _vertices(
    row: Mapping[str, Any], folder: Path, model: LinearBodyModel | None
) -> NDArray[np.float64]:
    if "vertices" in row:
        return _array(row, "vertices", (-1, 3))
    if _MESH in row:
        name = row[_MESH]
        if not isinstance(name, str):
            raise UserError(f"mesh is {type(name).__name__}, need the name of a file")
        return read_mesh_vertices(folder / name)
    if "pose" not in row and "global_orient" not in row:
        raise UserError("no vertices, no mesh, no pose")
    if model is None:
        raise UserError("pose and shape need the body model they are of; pass it with --model")
    shape: NDArray[np.float64] = np.zeros(0)
    if "shape" in row:
        shape = _array(row, "shape", (-1,))
    pose: NDArray[np.float64]
    if "pose" in row:
        pose = _array(row, "pose", (-1,), (-1, 3)).reshape(-1)
    else:
        parts = [_array(row, part, (-1,), (-1, 3)).reshape(-1) for part in _PARTS if part in row]
        pose = np.concatenate(parts)
        if "body_pose" not in row or (len(parts) != 2 and len(pose) != 3 * model.num_joints):
            raise UserError(
                f"{[part for part in _PARTS if part in row]} hold {len(pose)} numbers; need "
                "global_orient and body_pose, or all parts in full (hands not as PCA)"
            )
    shift: NDArray[np.float64] = np.zeros(3)
    if "translation" in row:
        shift = _array(row, "translation", (3,))
    # More shape numbers than the model has directions (BEDLAM writes 11) are not dropped in
    # silence: the model says so.
    return model.vertices(pose, shape, shift)


def _camera(row: Mapping[str, Any], image_hw: tuple[int, int]) -> PinholeCamera:
    if "matrix" in row:
        matrix = _array(row, "matrix", (3, 3))
        if np.abs(matrix[2] - [0, 0, 1]).max() > 1e-6 or min(matrix[0, 0], matrix[1, 1]) <= 0:
            raise UserError("cam_int: need [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0")
        return PinholeCamera(matrix, image_hw)
    if "focal" not in row:
        raise UserError("no camera: need cam_int, or focal_length (centre of the image)")
    focal = np.broadcast_to(_array(row, "focal", (), (1,), (2,)), (2,))
    if (focal <= 0).any():
        raise UserError(f"focal_length {focal.tolist()} is not positive")
    height, width = image_hw
    matrix = np.array([[focal[0], 0, width / 2], [0, focal[1], height / 2], [0, 0, 1]])
    return PinholeCamera(matrix, image_hw)
