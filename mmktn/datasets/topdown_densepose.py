"""DensePose-COCO for top-down systems: one item per person, with given boxes or a detector's.

Same files and checks as `DensePoseCocoDataset`; items carry the keys of mmpose's top-down pipelines
(`bbox`, `bbox_score`) beside those of the dense-pose transforms.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmktn.datasets.densepose_coco import DensePoseCocoDataset
from mmktn.formats.annotation_checks import box_problems
from mmktn.formats.detection_files import Detection, detections_of
from mmktn.formats.json_files import read_json
from mmktn.registry import DATASETS
from mmktn.utils.stored_files import is_stored_file
from mmktn.utils.user_error import UserError


@DATASETS.register_module()
class TopdownDensePoseDataset(DensePoseCocoDataset):
    """Persons with a box each; crowds are left out.

    Args:
        *args: Of `DensePoseCocoDataset`.
        bbox_file: Detections that replace the annotated boxes at test: a JSON list of dicts with
            `image_id`, `category_id` (the person's in the annotation file; others are left out),
            `bbox` (x, y, w, h) and `score`. The result files of
            `DensePoseMetric` are such lists. None: the annotated boxes, score 1.
        bbox_score_thr: Detections at or below this score are left out.
        max_per_image: Detections kept for an image, the best ones; None: all. The metric looks at
            20.
        **kwargs: Of `DensePoseCocoDataset`. With `only_densepose_images=True` only persons that
            carry dense pose are items, as training needs it.

    Raises:
        FileNotFoundError: `bbox_file` is missing.
        ValueError: Detections are asked for in training, or are unusable.
    """

    # mmpose's clients ask a data set for its keypoints; DensePose-COCO's are those of COCO.
    METAINFO = DensePoseCocoDataset.METAINFO | {"from_file": "configs/_base_/datasets/coco.py"}

    @classmethod
    def _load_metainfo(cls, metainfo: Any = None) -> dict[str, Any]:
        """Meta information without `from_file`, which is mmpose's; mmengine would open it."""
        own = {key: value for key, value in cls.METAINFO.items() if key != "from_file"}
        return DensePoseCocoDataset._load_metainfo(own | dict(metainfo or {}))

    def __init__(
        self,
        *args: Any,
        bbox_file: str | None = None,
        bbox_score_thr: float = 0.0,
        max_per_image: int | None = None,
        **kwargs: Any,
    ) -> None:
        if bbox_file is not None and not kwargs.get("test_mode", False):
            raise ValueError(f"bbox_file={bbox_file!r} needs test_mode=True: detections are boxes "
                             "without annotations")  # fmt: skip
        self.bbox_file = bbox_file
        self.bbox_score_thr = bbox_score_thr
        self.max_per_image = max_per_image
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file, and the detections where there are any.

        Returns:
            One dict per person: id (running), img_id, img_path, height, width, `instances` with one
            entry, `bbox` (1, 4) float32 xyxy and `bbox_score` (1,) float32.
        """
        images = super().load_data_list()
        if self.bbox_file is not None:
            for image in images:
                image["instances"] = []
            self._add_detections({image["img_id"]: image for image in images})
        persons = [
            image | {"instances": [instance]}
            for image in images
            for instance in image["instances"]
            if not instance["ignore_flag"]
        ]
        for index, person in enumerate(persons):
            instance = person["instances"][0]
            person["id"] = index
            person["bbox"] = np.array(instance["bbox"], dtype=np.float32)[None]
            person["bbox_score"] = np.array([instance.get("bbox_score", 1.0)], dtype=np.float32)
        return persons

    def _add_detections(self, images: dict[Any, dict[str, Any]]) -> None:
        """Make every kept detection an instance of its image, best first."""
        path = str(self.bbox_file)
        if not is_stored_file(path, self.backend_args):
            raise FileNotFoundError(
                f"bbox_file not found: {path}; write one with DensePoseMetric(format_only=True, "
                "outfile_prefix=...) of a detector's config, or set bbox_file=None for annotated "
                "boxes"
            )
        content = read_json(path, "bbox_file", backend_args=self.backend_args)
        found = defaultdict(list)
        for detection in detections_of(
            content, path, images=images, source=self.ann_file, categories=self.class_of_category
        ):
            image = images[detection.image_id]
            image_hw = image["height"], image["width"]
            for field, message in box_problems(detection.box_xywh, image_hw):
                raise UserError(f"{detection.where}: {field} {message}")
            if detection.score > self.bbox_score_thr:
                found[detection.image_id].append(detection)
        for image_id, detections in found.items():
            detections.sort(key=lambda detection: -detection.score)
            images[image_id]["instances"] = [
                _instance_of(detection, self.class_of_category[detection.category_id])
                for detection in detections[: self.max_per_image]
            ]
        print_log(
            f"{self.bbox_file}: {sum(map(len, found.values()))} boxes above score "
            f"{self.bbox_score_thr:g} on {len(found)} of {len(images)} images",
            logger="current",
        )


def _instance_of(detection: Detection, label: int) -> dict[str, Any]:
    """Detection -> instance without annotations."""
    x, y, w, h = detection.box_xywh
    return {
        "bbox": [x, y, x + w, y + h],
        "bbox_label": label,
        "ignore_flag": 0,
        "bbox_score": detection.score,
    }
