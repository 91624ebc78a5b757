"""DensePose-COCO as an mmdet dataset: one item per image, with all of its persons.

File format: DensePose-COCO's; layout on disk: docs/datasets.md. Masks are not decoded and images
not opened before an item is asked for. The synthetic set has the same format; PoseTrack, UltraPose
and Chimps differ in what `annotation_format` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmdet.datasets import BaseDetDataset
from mmengine.logging import print_log

from mmktn.datasets.keypoint_order import coco_keypoint_order, reordered_keypoints
from mmktn.formats.annotation_checks import (
    DENSEPOSE_FIELDS,
    VERTEX_FIELDS,
    AnnotationError,
    box_problems,
    file_problems,
    has_densepose,
    has_keypoints,
    needed_problems,
)
from mmktn.formats.annotation_file import read_annotation_file
from mmktn.formats.annotation_sets import (
    find_format,
)
from mmktn.formats.dense_labels import DenseLabelFolder
from mmktn.formats.file_layout import ImageFolder, find_annotation_file
from mmktn.registry import DATASETS
from mmktn.surface.parts import CHART_NAMES, COARSE_PART_NAMES, COCO_KEYPOINT_NAMES
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP


@DATASETS.register_module()
class DensePoseCocoDataset(BaseDetDataset):
    """Images with persons, boxes, keypoints and dense-pose annotations.

    Args:
        *args: Of `BaseDetDataset`.
        only_densepose_images: Keep only images with at least one person that is not a crowd and
            carries dense pose, as training does. Other persons of these images stay.
        validation: What is checked at load: 'full' every number, 'structure' only ids, links and
            missing fields. With 'structure', boxes of no size or outside the image are dropped
            (their number is logged), and bad points raise when the image is loaded.
        annotation_format: The set that the file belongs to: 'densepose_coco', 'posetrack',
            'ultrapose' or 'chimps' (`mmktn.formats.annotation_sets`).
        dense_labels: Folder of dense labels (`mmktn.formats.dense_labels`) that
            `LoadDensePoseAnnotations` adds to the persons with dense pose; all of them need some.
            None: annotated points only.
        categories: Name of a category of the file -> class of the model that it is read as; other
            categories are left out. The classes are those of `metainfo`, else the values here, in
            order. None: persons.
        **kwargs: Of `BaseDetDataset`: `ann_file`, `data_root`, `data_prefix=dict(img=...)`,
            `pipeline`, `test_mode`, `filter_cfg=dict(filter_empty_gt=, min_size=)`, ...
            `filter_cfg=dict(min_keypoints=)` drops images with fewer labelled keypoints.

    Raises:
        FileNotFoundError: The annotation file or image folder is missing.
        AnnotationError: The file does not hold what it should.
    """

    ann_file: str
    class_of_category: dict[int, int]

    METAINFO = {
        "classes": ("person",),
        "palette": [(220, 20, 60)],
        "chart_names": CHART_NAMES,
        "coarse_part_names": COARSE_PART_NAMES,
        "keypoint_names": COCO_KEYPOINT_NAMES,
        "chart_flip": tuple(CHART_FLIP.tolist()),
        "coarse_flip": tuple(COARSE_FLIP.tolist()),
        "keypoint_flip": tuple(KEYPOINT_FLIP.tolist()),
    }

    def __init__(
        self,
        *args: Any,
        only_densepose_images: bool = False,
        validation: Literal["full", "structure"] = "full",
        annotation_format: str = "densepose_coco",
        dense_labels: str | None = None,
        categories: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if validation not in ("full", "structure"):
            raise ValueError(f"validation must be 'full' or 'structure', got {validation!r}")
        self.only_densepose_images = only_densepose_images
        self.validation = validation
        self.dense_labels = None if dense_labels is None else DenseLabelFolder(dense_labels)
        self.annotation_format = find_format(annotation_format)
        self.categories = dict(categories or {"person": "person"})
        if categories is not None and "classes" not in (kwargs.get("metainfo") or {}):
            classes = tuple(dict.fromkeys(self.categories.values()))
            kwargs["metainfo"] = dict(kwargs.get("metainfo") or {}) | {"classes": classes}
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file.

        Returns:
            One dict per image: img_id, img_path, height, width, instances.
        """
        self.ann_file = find_annotation_file(
            self.ann_file, self.backend_args, file_format=self.annotation_format
        )
        data = read_annotation_file(self.ann_file, self.backend_args)
        full = self.validation == "full"
        problems = list(file_problems(data, self.ann_file, values=full, categories=self.categories))
        if any(getattr(step, "with_mask", False) for step in self.pipeline.transforms):
            problems += needed_problems(
                data, self.ann_file, ["segmentation"], categories=self.categories
            )
        if problems:
            raise AnnotationError(problems)
        classes = list(self.metainfo["classes"])
        unknown = set(self.categories.values()) - set(classes)
        if unknown:
            raise ValueError(
                f"categories: {sorted(unknown)} are no classes of metainfo ({classes})"
            )
        self.class_of_category = {
            entry["id"]: classes.index(self.categories[entry["name"]])
            for entry in data["categories"]
            if entry.get("name") in self.categories
        }
        folder = ImageFolder(
            self.data_prefix.get("img", ""), self.backend_args, file_format=self.annotation_format
        )
        items = {image["id"]: _image_item(image, folder) for image in data["images"]}
        self._add_instances(data, items)
        if self.dense_labels is not None:
            people = (person for item in items.values() for person in item["instances"])
            needed = (person["ann_id"] for person in people if _counts_for_training(person))
            self.dense_labels.require(needed, self.ann_file)
        return list(items.values())

    def filter_data(self) -> list[dict[str, Any]]:
        """Drop images by `only_densepose_images` and, except in test mode, by `filter_cfg`.

        In test mode images with `has_no_densepose` go: PoseTrack does not evaluate them.
        """
        items = self.data_list
        if self.test_mode:
            items = [item for item in items if item.get("evaluated", True)]
        if self.only_densepose_images:
            items = [item for item in items if any(map(_counts_for_training, item["instances"]))]
            if not items:
                raise ValueError(
                    f"{self.ann_file}: no image has a person with dense pose, but "
                    "only_densepose_images=True keeps nothing else"
                )
        if self.test_mode or not self.filter_cfg:
            return items
        min_keypoints = self.filter_cfg.get("min_keypoints", 0)
        items = [item for item in items if _num_keypoints(item) >= min_keypoints]
        min_size = self.filter_cfg.get("min_size", 0)
        if self.filter_cfg.get("filter_empty_gt", False):
            items = [item for item in items if item["instances"]]
        return [item for item in items if min(item["width"], item["height"]) >= min_size]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return the item of one image, with what the transforms need to know of the file.

        `checked` says that no number has to be looked at again.
        """
        item = super().get_data_info(idx)
        item["ann_file"] = self.ann_file
        item["checked"] = self.validation == "full"
        if self.dense_labels is not None:
            item["dense_labels"] = self.dense_labels
        item["annotation_format"] = self.annotation_format.name
        item["person_ids"] = set(self.class_of_category)
        return item

    def _add_instances(self, data: dict[str, Any], items: dict[Any, dict[str, Any]]) -> None:
        """Hand every person to its image; the records of `data` are used up to save memory."""
        dropped = 0
        orders = {
            entry["id"]: coco_keypoint_order(entry.get("keypoints")) for entry in data["categories"]
        }
        annotations = data.pop("annotations")
        for position, annotation in enumerate(annotations):
            annotations[position] = None
            item = items[annotation["image_id"]]
            if annotation["category_id"] not in self.class_of_category:
                continue
            image_hw = (item["height"], item["width"])
            if self.validation != "full" and any(box_problems(annotation["bbox"], image_hw)):
                dropped += 1
                continue
            instance = _instance(annotation, self.class_of_category[annotation["category_id"]])
            order = orders[annotation["category_id"]]
            if order is not None and "keypoints" in instance:
                instance["keypoints"] = reordered_keypoints(instance["keypoints"], order)
            item["instances"].append(instance)
        if dropped:
            print_log(
                f"{self.ann_file}: {dropped} persons dropped, their boxes have no size "
                "or leave the image (validation='structure')",
                logger="current",
            )


def _image_item(image: dict[str, Any], folder: ImageFolder) -> dict[str, Any]:
    """Image record -> data item without persons."""
    return {
        "img_id": image["id"],
        "img_path": folder.path_of(image),
        "height": image["height"],
        "width": image["width"],
        "evaluated": not image.get("has_no_densepose", False),
        "instances": [],
    }


def _instance(annotation: dict[str, Any], label: int) -> dict[str, Any]:
    """Annotation record -> instance of mmdet."""
    x, y, w, h = annotation["bbox"]
    instance = {
        "bbox": [x, y, x + w, y + h],
        "bbox_label": label,
        "ignore_flag": int(bool(annotation["iscrowd"])),
        "ann_id": annotation["id"],
    }
    if annotation.get("segmentation"):
        instance["mask"] = annotation["segmentation"]
    for field in ("keypoints", *DENSEPOSE_FIELDS, *VERTEX_FIELDS):
        if field == "keypoints" and not has_keypoints(annotation):
            continue
        if annotation.get(field) is not None:
            instance[field] = annotation[field]
    return instance


def _counts_for_training(instance: dict[str, Any]) -> bool:
    """Whether a person makes its image a training image."""
    return not instance["ignore_flag"] and has_densepose(instance)


def _num_keypoints(item: dict[str, Any]) -> int:
    """Return the labelled keypoints of all persons of an image."""
    return sum(v > 0 for person in item["instances"] for v in person.get("keypoints", ())[2::3])
