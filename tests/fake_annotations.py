"""Small made-up dense-pose data for tests: records, containers, files on disk, packed batches.

Nothing here looks like a person; the values are valid, seeded and varied enough that a swapped
field, frame or order shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask

from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.surface.parts import COCO_KEYPOINT_NAMES, NUM_CHARTS, NUM_COARSE


def fake_coarse_map(rng: np.random.Generator) -> np.ndarray:
    """A (256, 256) uint8 part map: 14 discs of random place, the person's parts 1..14."""
    rows, columns = np.ogrid[:256, :256]
    parts = np.zeros((256, 256), dtype=np.uint8)
    for part in range(1, NUM_COARSE + 1):
        y, x, radius = rng.uniform(40, 216), rng.uniform(40, 216), rng.uniform(15, 40)
        parts[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = part
    return parts


def fake_annotation(
    rng: np.random.Generator,
    num_points: int = 20,
    *,
    with_coarse_map: bool = True,
    with_keypoints: bool = True,
) -> DensePoseAnnotation:
    """A valid annotation of random content.

    Args:
        rng: Source of numbers.
        num_points: P.
        with_coarse_map: Give it a coarse map.
        with_keypoints: Give it 17 keypoints, v in 0, 1, 2.
    """
    num_keypoints = len(COCO_KEYPOINT_NAMES)
    return DensePoseAnnotation(
        point_xy=torch.from_numpy(rng.random((num_points, 2), dtype=np.float32)),
        point_charts=torch.from_numpy(rng.integers(1, NUM_CHARTS + 1, num_points)),
        point_uv=torch.from_numpy(rng.random((num_points, 2), dtype=np.float32)),
        coarse_map=torch.from_numpy(fake_coarse_map(rng)) if with_coarse_map else None,
        keypoint_xy=torch.from_numpy(rng.random((num_keypoints, 2), dtype=np.float32))
        if with_keypoints
        else None,
        keypoint_visible=torch.from_numpy(rng.integers(0, 3, num_keypoints))
        if with_keypoints
        else None,
    )


def fake_annotations(rng: np.random.Generator, num_persons: int = 3) -> DensePoseAnnotations:
    """Persons 0, 2, 4, ... with dense pose (10, 12, 14, ... points), the others without."""
    return DensePoseAnnotations(
        fake_annotation(rng, 10 + person)
        if person % 2 == 0
        else DensePoseAnnotation.without_densepose(
            torch.from_numpy(rng.random((17, 2), dtype=np.float32)), torch.ones(17).long()
        )
        for person in range(num_persons)
    )


def fake_coco_record(
    rng: np.random.Generator,
    *,
    annotation_id: int,
    image_id: int,
    image_hw: tuple[int, int],
    with_densepose: bool = True,
    num_points: int = 15,
) -> dict[str, Any]:
    """An annotation record of a DensePose-COCO file, JSON-ready."""
    height, width = image_hw
    w, h = rng.uniform(0.3, 0.6, 2) * (width, height)
    x, y = rng.uniform(0, 1, 2) * (width - w, height - h)
    visible = rng.integers(0, 3, len(COCO_KEYPOINT_NAMES))
    keypoints = (
        np.stack((rng.uniform(x, x + w, 17), rng.uniform(y, y + h, 17), visible), axis=1)
        * (visible > 0)[:, None]
    )
    record = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": np.round([x, y, w, h], 2).tolist(),
        "area": float(w * h / 2),
        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
        "keypoints": np.round(keypoints, 2).ravel().tolist(),
        "num_keypoints": int((visible > 0).sum()),
    }
    if with_densepose:
        parts = fake_coarse_map(rng)
        points = np.round(rng.uniform(0, 256, (2, num_points)), 3)
        uv = np.round(rng.random((2, num_points)), 4)
        record |= {
            "dp_x": points[0].tolist(),
            "dp_y": points[1].tolist(),
            "dp_I": rng.integers(1, NUM_CHARTS + 1, num_points).astype(float).tolist(),
            "dp_U": uv[0].tolist(),
            "dp_V": uv[1].tolist(),
            "dp_masks": [_encoded(parts == part) for part in range(1, NUM_COARSE + 1)],
        }
    return record


def fake_coco_file(
    num_images: int = 3,
    *,
    persons: int = 2,
    image_hw: tuple[int, int] = (48, 64),
    seed: int = 0,
) -> dict[str, Any]:
    """The content of a DensePose-COCO file; the last person of each image has no dense pose.

    Args:
        num_images: Number of images, ids from 1.
        persons: Persons per image; annotation ids count up from 100.
        image_hw: Size of all images.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = [
        {
            "id": image_id,
            "file_name": f"{image_id:012d}.png",
            "height": image_hw[0],
            "width": image_hw[1],
        }
        for image_id in range(1, num_images + 1)
    ]
    annotations = [
        fake_coco_record(
            rng,
            annotation_id=100 + (image["id"] - 1) * persons + person,
            image_id=image["id"],
            image_hw=image_hw,
            with_densepose=person < persons - 1 or persons == 1,
        )
        for image in images
        for person in range(persons)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINT_NAMES)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def write_fake_dataset(
    folder: str | Path, data: dict[str, Any] | None = None, **kwargs: Any
) -> Path:
    """Write `annotations.json` and `images/` of noise.

    Args:
        folder: Where to; made if missing.
        data: Content; made by `fake_coco_file` if None.
        **kwargs: Of `fake_coco_file`.

    Returns:
        Path of the JSON file.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    data = fake_coco_file(**kwargs) if data is None else data
    rng = np.random.default_rng(1)
    for image in data["images"]:
        noise = rng.integers(0, 256, (image["height"], image["width"], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / image["file_name"]), noise)
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    return path


def fake_batch(
    num_images: int = 2,
    *,
    persons: int = 2,
    image_hw: tuple[int, int] = (64, 96),
    seed: int = 0,
) -> dict[str, list]:
    """A batch as `pseudo_collate` gives it to a detector's data_preprocessor.

    Args:
        num_images: B.
        persons: Persons per image (the last one without dense pose, unless it is the only one).
        image_hw: Size of the images.
        seed: Of the random numbers.

    Returns:
        inputs: B tensors (3, H, W) uint8; data_samples: B `DetDataSample` with `gt_instances`
        (bboxes, labels, masks, densepose) and the usual meta information.
    """
    from mmengine.dataset import Compose

    from mmktn.registry import TRANSFORMS

    steps = (
        {"type": "mmdet.LoadAnnotations", "with_mask": True},
        {"type": "mmktn.LoadDensePoseAnnotations"},
        {"type": "mmktn.PackDensePoseInputs"},
    )
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    data = fake_coco_file(num_images, persons=persons, image_hw=image_hw, seed=seed)
    rng = np.random.default_rng(seed)
    packed = []
    for image in data["images"]:
        results = {
            "img": rng.integers(0, 256, (*image_hw, 3), dtype=np.uint8),
            "img_id": image["id"],
            "ori_shape": image_hw,
            "img_shape": image_hw,
            "scale_factor": (1.0, 1.0),
            "instances": [
                _mmdet_instance(record)
                for record in data["annotations"]
                if record["image_id"] == image["id"]
            ],
        }
        packed.append(pipeline(results))
    return {key: [item[key] for item in packed] for key in ("inputs", "data_samples")}


def _mmdet_instance(record: dict[str, Any]) -> dict[str, Any]:
    """Annotation record -> raw instance of mmdet's pipelines."""
    x, y, w, h = record["bbox"]
    return record | {
        "bbox": [x, y, x + w, y + h],
        "bbox_label": 0,
        "ignore_flag": 0,
        "mask": record["segmentation"],
    }


def _encoded(mask: np.ndarray) -> dict[str, Any] | list:
    """JSON-ready run-length code, `[]` for an empty mask, as in the official files."""
    if not mask.any():
        return []
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}
