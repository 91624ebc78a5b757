"""mmpose's CrowdPose, COCO and OCHuman datasets with their input checked.

mmpose drops a broken annotation or fails with a bare assertion; here the first problem is named
with file, id and value. Departs from mmpose in one thing: a person without a visible keypoint is
not trained on, whatever its coordinates and `num_keypoints` say.
"""

import os.path as osp
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from mmpose.datasets import CocoDataset, CrowdPoseDataset, OCHumanDataset
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from mmktn.formats.detection_files import (
    box_of,
    detections_of,
    images_of,
    person_ids_of,
    require_fields,
)
from mmktn.formats.json_files import read_json
from mmktn.formats.shown import shown
from mmktn.registry import DATASETS
from mmktn.utils.user_error import UserError


def outside_image(box_xywh: Sequence[float], image: dict[str, Any]) -> bool:
    """Whether a box ``[x, y, w, h]`` shares no area with its image."""
    x, y, w, h = box_xywh[:4]
    return x >= image["width"] or y >= image["height"] or x + w <= 0 or y + h <= 0


class CheckedKeypoints(BaseCocoStyleDataset):
    """What the three datasets below check.

    Raises:
        FileNotFoundError: The annotation or the detection file is missing.
        ValueError: A person has another number of keypoints than the dataset defines or an
            unusable box, a labelled person's box lies outside its image; a detection file is of
            another kind or empty, an entry lacks a field, names an image that the annotation file
            lacks or holds a box outside its image; or nobody is left.
    """

    def load_data_list(self) -> list[dict]:
        """Look for the files, then load as mmpose does."""
        self._require_files()
        return super().load_data_list()

    def _require_files(self) -> None:
        for what, path in (("annotation", self.ann_file), ("detection", self.bbox_file)):
            if path and not fileio.isfile(path):
                raise FileNotFoundError(
                    f"{what} file not found: {path}; where it comes from: docs/stip.md#data"
                )

    def parse_data_info(self, raw_data_info: dict) -> dict | None:
        """Check one annotation, then parse it as mmpose does."""
        annotation, image = raw_data_info["raw_ann_info"], raw_data_info["raw_img_info"]
        where = f"annotation {annotation.get('id')} of {self.ann_file}"
        self._require_size(image)
        keypoints = annotation.get("keypoints")
        if "keypoints" in annotation and not isinstance(keypoints, list):
            raise ValueError(
                f"{where}: keypoints {keypoints!r} is no list; write x, y, v of each, or leave the "
                "field out"
            )
        if keypoints is not None and len(keypoints) != 3 * self._num_keypoints:
            raise ValueError(
                f"{where} has {len(keypoints) / 3:g} keypoints, {self.metainfo['dataset_name']} "
                f"defines {self._num_keypoints}; use the config of the right dataset "
                "(crowdpose 14, coco and ochuman 17)"
            )
        labelled = keypoints is not None and any(v > 0 for v in keypoints[2::3])
        box = box_of(annotation, where) if "bbox" in annotation else None
        if labelled and box is not None and outside_image(box, image):
            raise ValueError(
                f"{where}: bbox {annotation['bbox']} (x, y, w, h) lies outside its image "
                f"{image.get('file_name')} of {image['width']} x {image['height']} pixels "
                "(CrowdPose as first released swaps width and height: use mmpose_crowdpose_*.json)"
            )
        if image.get("crowdIndex", 0) is None:  # null stands for a missing one
            image = {key: value for key, value in image.items() if key != "crowdIndex"}
        return super().parse_data_info({**raw_data_info, "raw_img_info": image})

    def _get_topdown_data_infos(self, instance_list: list[dict]) -> list[dict]:
        """Keep the trainable persons, and say how many are not."""
        kept = super()._get_topdown_data_infos(instance_list)
        if not self.test_mode:
            kept = [info for info in kept if _has_visible_keypoint(info)]
        if len(kept) < len(instance_list):
            taken = {id(info) for info in kept}
            left_out = [info for info in instance_list if id(info) not in taken]
            unlabelled = sum(not _has_visible_keypoint(info) for info in left_out)
            print_log(
                f"{self.ann_file}: {len(left_out)} of {len(instance_list)} "
                f"persons are left out ({unlabelled} without a visible keypoint, the rest crowd "
                "regions, empty boxes or num_keypoints of 0)",
                logger="current",
            )
        return kept

    def filter_data(self) -> list[dict]:
        """Filter as mmpose does, and say so if nobody is left."""
        data_list = super().filter_data()
        if not data_list:
            source = (
                f"detections in {self.bbox_file} of what {self.ann_file} calls person"
                if self.bbox_file
                else f"usable persons in {self.ann_file}"
            )
            limit = f" with filter_cfg={self.filter_cfg}" if self.filter_cfg else ""
            raise ValueError(f"there are no {source}{limit}; is it the file of this data set?")
        return data_list

    def _load_detection_results(self) -> list[dict]:
        """Return the items of the detected persons, as mmpose makes them.

        mmpose takes category 1 for the person; here it is what the annotation file calls so.
        """
        content = read_json(self.ann_file, "ann_file")
        images = images_of(content, self.ann_file)
        persons = person_ids_of(content, self.ann_file)
        # What mmpose's own loader leaves for its metrics.
        self._metainfo["CLASSES"] = content.get("categories", [])
        content = read_json(self.bbox_file, "bbox_file")
        if content == []:
            raise UserError(f"detection file {self.bbox_file} holds no detection")
        found = detections_of(
            content, self.bbox_file, images=images, source=self.ann_file, categories=persons
        )
        items: list[dict] = []
        for where, image_id, _, box, score in found:
            image = images[image_id]
            self._require_size(image)
            x, y, w, h = box
            if outside_image(box, image):
                raise ValueError(
                    f"{where}: bbox {shown(box)} (x, y, w, h) lies outside its image of "
                    f"{image['width']} x {image['height']} pixels"
                )
            items.append(
                {
                    "img_id": image_id,
                    "img_path": osp.join(self.data_prefix["img"], image["file_name"]),
                    "img_shape": (image["height"], image["width"]),
                    "bbox": np.array([[x, y, x + w, y + h]], dtype=np.float32),
                    "bbox_score": np.array([score], dtype=np.float32),
                    "keypoints": np.zeros((1, self._num_keypoints, 2), dtype=np.float32),
                    "keypoints_visible": np.ones((1, self._num_keypoints), dtype=np.float32),
                    "id": len(items),
                }
            )
        return items

    def _require_size(self, image: dict[str, Any]) -> None:
        where = f"image {image.get('id')} of {self.ann_file}"
        require_fields(image, ("width", "height"), where)

    @cached_property
    def _num_keypoints(self) -> int:
        return self.metainfo["num_keypoints"]


def _has_visible_keypoint(info: dict[str, Any]) -> bool:
    return bool(np.any(info["keypoints_visible"] > 0))


@DATASETS.register_module()
class CheckedCocoDataset(CheckedKeypoints, CocoDataset):
    """COCO keypoints (17), checked."""


@DATASETS.register_module()
class CheckedOCHumanDataset(CheckedKeypoints, OCHumanDataset):
    """OCHuman (17 keypoints), checked."""


@DATASETS.register_module()
class CheckedCrowdPoseDataset(CheckedKeypoints, CrowdPoseDataset):
    """CrowdPose (14 keypoints), checked; a test set must carry `crowdIndex`.

    Raises:
        ValueError: In test mode, if an image lacks `crowdIndex`.
    """

    def load_data_list(self) -> list[dict]:
        """Check the images of a test set, then load as mmpose does."""
        self._require_files()
        if self.test_mode:
            images = images_of(read_json(self.ann_file, "ann_file"), self.ann_file)
            missing = [image for image in images.values() if image.get("crowdIndex") is None]
            if missing:
                raise ValueError(
                    f"image {missing[0]['id']} of {self.ann_file} has no crowdIndex "
                    f"({len(missing)} such images), which easy / medium / hard need; take the "
                    "CrowdPose JSON as released, or mmpose.CrowdPoseDataset without that split"
                )
        return super().load_data_list()
