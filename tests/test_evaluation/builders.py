"""Small worlds: people whose detections are exact copies of their ground truth."""

import copy
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.formats.dense_detections import DenseDetections


def random_map(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(3, h, w) map: an ellipse in tiles of different charts."""
    y, x = np.mgrid[0:height, 0:width]
    chart = (y * 6 // height * 4 + x * 4 // width + rng.integers(24)) % 24 + 1
    inside = ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2 < 0.24
    uv = rng.integers(0, 256, (2, 1, 1)) * np.ones((2, height, width))
    return (np.concatenate([chart[None], uv]) * inside).astype(np.uint8)


def part_masks(iuv: np.ndarray) -> list[Any]:
    """14 RLE masks on the 256 grid; an absent part is []."""
    rows, cols = (np.arange(256) * side // 256 for side in iuv.shape[1:])
    grid = iuv[0][rows[:, None], cols]
    found: list[Any] = []
    for part in range(14):
        mask = (grid > 0) & (grid % 14 == part)
        rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        found.append({"size": [256, 256], "counts": rle["counts"].decode()} if mask.any() else [])
    return found


def segmentation(iuv: np.ndarray, box: list[int], height: int, width: int) -> dict[str, Any]:
    """RLE of the map in the image."""
    canvas = np.zeros((height, width), dtype=np.uint8, order="F")
    x, y, w, h = box
    canvas[y : y + h, x : x + w] = iuv[0] > 0
    rle = coco_mask.encode(canvas)
    return {"size": [height, width], "counts": rle["counts"].decode()}


def annotation(
    rng: np.random.Generator, key: int, image: int, box: list[int], iuv: np.ndarray, *,
    points: int = 20, grid: float = 255.0,
) -> dict[str, Any]:  # fmt: skip
    """An annotation whose points lie at pixel centres of the box on the given grid."""
    y, x = np.nonzero(iuv[0])
    chosen = rng.choice(len(y), points, replace=False)
    y, x = y[chosen], x[chosen]
    return {
        "id": key, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": list(box),
        "area": float(np.count_nonzero(iuv[0])),
        "segmentation": segmentation(iuv, box, 120, 160),
        "dp_x": ((x + 0.5) * grid / box[2]).tolist(), "dp_y": ((y + 0.5) * grid / box[3]).tolist(),
        "dp_I": iuv[0, y, x].tolist(), "dp_U": (iuv[1, y, x] / 255).tolist(),
        "dp_V": (iuv[2, y, x] / 255).tolist(),
    }  # fmt: skip


class World:
    """Ground truth as a COCO dictionary and exact detections that a test may spoil."""

    def __init__(
        self, seed: int = 0, *, images: int = 4, people: int = 3, grid: float = 255.0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.data: dict[str, Any] = {
            "images": [{"id": 10 + 5 * i, "height": 120, "width": 160} for i in range(images)],
            "annotations": [],
            "categories": [{"id": 1, "name": "person"}],
        }
        self.image_ids: list[int] = []
        self.boxes: list[list[float]] = []
        self.scores: list[float] = []
        self.maps: list[np.ndarray] = []
        for image in self.data["images"]:
            for _ in range(people):
                h, w = int(rng.integers(40, 100)), int(rng.integers(20, 60))
                box = [int(rng.integers(0, 160 - w)), int(rng.integers(0, 120 - h)), w, h]
                iuv = random_map(rng, h, w)
                key = 100 + len(self.data["annotations"])
                self.data["annotations"].append(
                    annotation(rng, key, image["id"], box, iuv, grid=grid)
                )
                self.image_ids.append(image["id"])
                self.boxes.append([float(v) for v in box])
                self.scores.append(float(rng.random()))
                self.maps.append(iuv)

    def truth(self) -> DensePoseTruth:
        return DensePoseTruth.from_coco(copy.deepcopy(self.data), "world")

    def detections(self, **changes: Any) -> DenseDetections:
        columns = {
            "image_ids": self.image_ids, "boxes_xywh": self.boxes, "scores": self.scores,
            "maps": self.maps, "category_ids": 1,
        } | changes  # fmt: skip
        return DenseDetections.from_maps(
            columns.pop("image_ids"), columns.pop("boxes_xywh"), name="results", **columns
        )

    def spoiled(self, seed: int = 1) -> DenseDetections:
        """Detections with moved boxes, noisy U, V, missing people and false ones."""
        rng = np.random.default_rng(seed)
        rows = []
        for image, box, score, iuv in zip(
            self.image_ids, self.boxes, self.scores, self.maps, strict=True
        ):
            for _ in range(int(rng.integers(0, 3))):
                noisy = iuv.copy()
                noise = rng.normal(0, 30, noisy[1:].shape)
                noisy[1:] = np.clip(noisy[1:] + noise, 0, 255)
                moved = [box[0] + rng.normal(0, 2), box[1] + rng.normal(0, 2), *box[2:]]
                rows.append((image, moved, score * rng.random(), noisy))
        images, boxes, scores, maps = zip(*rows, strict=True)
        return self.detections(
            image_ids=list(images), boxes_xywh=list(boxes), scores=list(scores), maps=list(maps)
        )
