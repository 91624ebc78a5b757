"""From rendered labels to DensePose-COCO and CrowdPose annotation records.

Source: DensePose-COCO JSON (dp_x, dp_y, dp_I, dp_U, dp_V, dp_masks), COCO keypoints, CrowdPose
(crowdIndex). Every number is read off the rendered maps, so it is exact up to these conventions:

* image frame: pixel i covers [i, i + 1), its centre is i + 0.5; points lie on pixel centres;
* box: the tight box of the person's visible pixels, [x0, y0, columns, rows];
* dp_x = (i + 0.5 - x0) * 256 / w, the inverse of the training mapping x = x0 + dp_x * w / 256. The
  official evaluator reads x0 + dp_x * w / 255 and truncates: at most one pixel further right
  (down), and only in boxes' right (lower) half.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmktn.annotation.points import GRID, sample_parts
from mmktn.formats.dense_truth import UV_STEPS
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.parts import CHART_TO_COARSE, NUM_COARSE
from mmktn.surface.rasterize import RasterResult
from mmktn.utils.output_files import replace_atomically


@dataclass
class DenseTruth:
    """Per-pixel ground truth of one image, as kept in `dense/<image>.npz`.

    Attributes:
        instance: (H, W) uint8, 0 for background, k for the k-th annotated person of the image.
        chart: (H, W) uint8, 0 for background, 1..24.
        u: (H, W) uint16, U * 65535, 0 on the background.
        v: (H, W) uint16, V * 65535, 0 on the background.
    """

    instance: NDArray[np.uint8]
    chart: NDArray[np.uint8]
    u: NDArray[np.uint16]
    v: NDArray[np.uint16]

    def uv(self) -> NDArray[np.float64]:
        """Return (2, H, W) U and V in [0, 1]."""
        return np.stack([self.u, self.v]) / UV_STEPS

    def person(self, number: int) -> tuple[list[float], NDArray[np.uint8]]:
        """Return what is seen of a person, as results have it.

        Args:
            number: Of the person in `instance`.

        Returns:
            Tight box [x, y, w, h], and (3, h, w) I, 255 U, 255 V in it, U and V cut off and not
            rounded, 0 beside the person.

        Raises:
            ValueError: The person has no pixel.
        """
        mask = self.instance == number
        box = tight_box(mask)
        x, y, w, h = map(int, box)
        window = slice(y, y + h), slice(x, x + w)
        uv = [(steps[window] / UV_STEPS * 255).astype(np.uint8) for steps in (self.u, self.v)]
        iuv = np.stack([self.chart[window], *uv])
        return box, np.where(mask[window], iuv, 0).astype(np.uint8)

    def write(self, path: Path) -> None:
        """Write the maps as an .npz file, whole or not at all."""
        with replace_atomically(path) as handle:
            np.savez_compressed(handle, **vars(self))


def dense_truth(
    instance: NDArray[np.uint8],
    rasters: list[RasterResult],
    face_charts: NDArray[np.int64],
    face_uv: NDArray[np.float64],
) -> DenseTruth:
    """Return the charts and coordinates of what is seen.

    Args:
        instance: (H, W) number of the person seen, from 1; each pixel is hit in its raster.
        rasters: what each person would show alone.
        face_charts: (F,) chart of each face.
        face_uv: (F, 3, 2) U and V at the corners of each face.

    Returns:
        The maps.
    """
    chart = np.zeros(instance.shape, np.uint8)
    u, v = np.zeros(instance.shape, np.uint16), np.zeros(instance.shape, np.uint16)
    for k, raster in enumerate(rasters):
        mask = instance == k + 1
        chart[mask] = face_charts[raster.face_ids[mask]]
        uv = np.clip(raster.interpolate(face_uv, mask), 0, 1)
        steps = np.round(uv * UV_STEPS).astype(np.uint16)
        u[mask], v[mask] = steps.T
    return DenseTruth(instance, chart, u, v)


def tight_box(mask: NDArray[np.bool_]) -> list[float]:
    """Return the tight box of a mask.

    Args:
        mask: (H, W) bool, not empty.

    Returns:
        [x, y, width, height] in pixels.

    Raises:
        ValueError: the mask is empty.
    """
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if len(rows) == 0:
        raise ValueError("tight_box: the mask has no pixel")
    left, top = int(columns[0]), int(rows[0])
    return [
        float(left),
        float(top),
        float(columns[-1] + 1 - left),
        float(rows[-1] + 1 - top),
    ]


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the compressed COCO run-length code of a (H, W) mask, JSON-ready."""
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(n) for n in code["size"]], "counts": code["counts"].decode("ascii")}


def coarse_grid(
    chart: NDArray[np.uint8], mask: NDArray[np.bool_], box: list[float]
) -> NDArray[np.uint8]:
    """Return the coarse part map of a person on the 256 x 256 annotation grid.

    A grid cell shows the image pixel in which its centre lies.

    Args:
        chart: (H, W) chart numbers.
        mask: (H, W) bool, the person's visible pixels.
        box: integer-valued [x, y, width, height].

    Returns:
        (256, 256) uint8, 0..14.
    """
    centre = (np.arange(GRID) + 0.5) / GRID
    columns = (box[0] + centre * box[2]).astype(np.int64)
    rows = (box[1] + centre * box[3]).astype(np.int64)
    cells = np.ix_(rows, columns)
    return np.where(mask[cells], CHART_TO_COARSE[chart[cells]], 0).astype(np.uint8)


def dense_pose_fields(
    maps: DenseTruth, mask: NDArray[np.bool_], box: list[float], *, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the dp_ fields of one person.

    Args:
        maps: labels of the image.
        mask: (H, W) bool, the person's visible pixels.
        box: the person's box [x, y, width, height].
        rng: source of the k-means seeds.

    Returns:
        dp_x, dp_y, dp_I, dp_U, dp_V (lists of equal length, grouped by part) and dp_masks (14 RLEs
        or empty lists).
    """
    rows, columns = np.nonzero(mask)
    charts = maps.chart[rows, columns]
    parts = CHART_TO_COARSE[charts]
    pixels = np.stack([columns, rows], axis=1).astype(np.int64)
    cell_size = (GRID / box[2], GRID / box[3])
    order = sample_parts(parts, pixels, cell_size, rng=rng)
    x, y = pixels[order, 0], pixels[order, 1]
    grid = coarse_grid(maps.chart, mask, box)
    masks = [grid == part for part in range(1, NUM_COARSE + 1)]
    return {
        "dp_masks": [encode_rle(m) if m.any() else [] for m in masks],
        "dp_x": np.round((x + 0.5 - box[0]) * cell_size[0], 4).tolist(),
        "dp_y": np.round((y + 0.5 - box[1]) * cell_size[1], 4).tolist(),
        "dp_I": charts[order].astype(float).tolist(),
        "dp_U": np.round(maps.u[y, x] / UV_STEPS, 6).tolist(),
        "dp_V": np.round(maps.v[y, x] / UV_STEPS, 6).tolist(),
    }


def vertex_fields(fields: dict[str, Any], surface: BodySurface, mesh: str) -> dict[str, Any]:
    """Return the fields of continuous surface embeddings of one person.

    Args:
        fields: What `dense_pose_fields` gave.
        surface: The body that the charts belong to.
        mesh: Its name as a mesh.

    Returns:
        dp_vertex, the vertex that is nearest to each point on its chart, and ref_model.
    """
    atlas = surface.atlas
    charts, u, v = (np.asarray(fields[name]) for name in ("dp_I", "dp_U", "dp_V"))
    nearest = atlas.nearest_vertex(charts.astype(np.int64), u, v)
    return {"dp_vertex": atlas.mesh_vertex[nearest].tolist(), "ref_model": mesh}


def coco_fields(
    mask: NDArray[np.bool_], box: list[float], keypoints: NDArray[np.float64]
) -> dict[str, Any]:
    """Return the COCO fields of one person.

    Args:
        mask: (H, W) bool, the person's visible pixels.
        box: [x, y, width, height].
        keypoints: (K, 3) x, y in the image frame and v in {0, 1, 2}.

    Returns:
        category_id, iscrowd, bbox, area, segmentation, keypoints (pixel indices), num_keypoints.
    """
    labelled = keypoints[:, 2] > 0
    # COCO counts pixels: the centre of pixel i is i there and i + 0.5 in the image frame.
    rows = np.where(labelled[:, None], np.round(keypoints - (0.5, 0.5, 0.0), 2), 0.0)
    flat = [value for x, y, v in rows.tolist() for value in (x, y, int(v))]
    return {
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box,
        "area": float(mask.sum()),
        "segmentation": encode_rle(mask),
        "keypoints": flat,
        "num_keypoints": int(labelled.sum()),
    }


def crowd_index(boxes: list[list[float]], keypoints: NDArray[np.float64]) -> float:
    """CrowdPose's index of an image.

    For each person the number of labelled keypoints of *other* persons inside the box is divided by
    the number of own ones; the image
    has the mean, cut at 1 as in the published files.

    Args:
        boxes: N boxes [x, y, width, height].
        keypoints: (N, K, 3) x, y, v; v = 0 is not counted.

    Returns:
        A number in [0, 1]; 0 for an image of one person.
    """
    if not boxes:
        return 0.0
    ratios = []
    labelled = keypoints[..., 2] > 0
    for person, (x, y, w, h) in enumerate(boxes):
        inside = labelled & (keypoints[..., 0] >= x) & (keypoints[..., 0] <= x + w)
        inside &= (keypoints[..., 1] >= y) & (keypoints[..., 1] <= y + h)
        own = int(inside[person].sum())
        ratios.append((int(inside.sum()) - own) / max(own, 1))
    return min(float(np.mean(ratios)), 1.0)
