"""mmpose's CrowdPose, COCO and OCHuman datasets with their input checked.

mmpose drops a broken annotation or fails with a bare assertion; here the first problem is named
with file, id and value. Nothing else is changed.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from mmpose.datasets import CocoDataset, CrowdPoseDataset, OCHumanDataset
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from mmktn.registry import DATASETS


def outside_image(box_xywh: Sequence[float], image: dict[str, Any]) -> bool:
    """Whether a box ``[x, y, w, h]`` shares no area with its image."""
    x, y, w, h = box_xywh[:4]
    return x >= image["width"] or y >= image["height"] or x + w <= 0 or y + h <= 0


class CheckedKeypoints(BaseCocoStyleDataset):
    """What the three datasets below check.

    Raises:
        FileNotFoundError: The annotation or the detection file is missing.
        ValueError: A person has another number of key-points than the dataset defines, a labelled
            person's box lies outside its image, or a detection file names an image that the
            annotation file lacks or holds a box outside its image.
    """

    def load_data_list(self) -> list[dict]:
        """Look for the files, then load as mmpose does."""
        self._require_files()
        return super().load_data_list()

    def _require_files(self) -> None:
        for what, path in (("annotation", self.ann_file), ("detection", self.bbox_file)):
            if path and not fileio.exists(path):
                raise FileNotFoundError(
                    f"{what} file not found: {path}; where it comes from: docs/stip.md#data"
                )

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Check one annotation, then parse it as mmpose does."""
        annotation, image = raw_data_info["raw_ann_info"], raw_data_info["raw_img_info"]
        where = f"annotation {annotation.get('id')} of {self.ann_file}"
        keypoints = annotation.get("keypoints")
        if keypoints is not None and len(keypoints) != 3 * self._num_keypoints:
            raise ValueError(
                f"{where} has {len(keypoints) / 3:g} key-points, {self.metainfo['dataset_name']} "
                f"defines {self._num_keypoints}; use the config of the right dataset "
                "(crowdpose 14, coco and ochuman 17)"
            )
        labelled = keypoints is not None and any(v > 0 for v in keypoints[2::3])
        box = annotation.get("bbox")
        if labelled and box is not None and outside_image(box, image):
            raise ValueError(
                f"{where}: bbox {list(box)} (x, y, w, h) lies outside its image "
                f"{image.get('file_name')} of {image['width']} x {image['height']} pixels "
                "(CrowdPose as first released swaps width and height: use mmpose_crowdpose_*.json)"
            )
        return super().parse_data_info(raw_data_info)

    def _get_topdown_data_infos(self, instance_list: list[dict]) -> list[dict]:
        """Keep the trainable persons, and say how many are not."""
        kept = super()._get_topdown_data_infos(instance_list)
        unlabelled = sum(not np.any(info["keypoints_visible"] > 0) for info in instance_list)
        if len(kept) < len(instance_list):
            print_log(
                f"{self.ann_file}: {len(instance_list) - len(kept)} of {len(instance_list)} "
                f"persons are left out ({unlabelled} without a visible key-point, the rest crowd "
                "regions or empty boxes)",
                logger="current",
            )
        return kept

    def _load_detection_results(self) -> list[dict]:
        """Check the detection file, then load it as mmpose does."""
        with open(self.ann_file, encoding="utf-8") as file:
            images = {image["id"]: image for image in json.load(file)["images"]}
        with open(self.bbox_file, encoding="utf-8") as file:
            detections = json.load(file)
        for index, detection in enumerate(detections):
            where = f"detection {index} of {self.bbox_file}"
            image = images.get(detection["image_id"])
            if image is None:
                raise ValueError(
                    f"{where} is for image {detection['image_id']}, which {self.ann_file} lacks; "
                    "use the detections of this split"
                )
            if detection["category_id"] == 1 and outside_image(detection["bbox"], image):
                raise ValueError(
                    f"{where}: bbox {detection['bbox']} (x, y, w, h) lies outside its image of "
                    f"{image['width']} x {image['height']} pixels"
                )
        return super()._load_detection_results()

    @cached_property
    def _num_keypoints(self) -> int:
        return self.metainfo["num_keypoints"]


@DATASETS.register_module()
class CheckedCocoDataset(CheckedKeypoints, CocoDataset):
    """COCO key-points (17), checked."""


@DATASETS.register_module()
class CheckedOCHumanDataset(CheckedKeypoints, OCHumanDataset):
    """OCHuman (17 key-points), checked."""


@DATASETS.register_module()
class CheckedCrowdPoseDataset(CheckedKeypoints, CrowdPoseDataset):
    """CrowdPose (14 key-points), checked; a test set must carry `crowdIndex`.

    Raises:
        ValueError: In test mode, if an image lacks `crowdIndex`.
    """

    def load_data_list(self) -> list[dict]:
        """Check the images of a test set, then load as mmpose does."""
        self._require_files()
        if self.test_mode:
            with open(self.ann_file, encoding="utf-8") as file:
                images = json.load(file)["images"]
            missing = [image for image in images if "crowdIndex" not in image]
            if missing:
                raise ValueError(
                    f"image {missing[0]['id']} of {self.ann_file} has no crowdIndex "
                    f"({len(missing)} such images), which easy / medium / hard need; take the "
                    "CrowdPose JSON as released, or mmpose.CrowdPoseDataset without that split"
                )
        return super().load_data_list()
