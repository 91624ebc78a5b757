"""The COCO class of xtcocotools as a small extension of pycocotools' one.

What xtcocotools adds and mmpose relies on: the annotation file's name, an `iscrowd` default, and
results that are empty.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO as PycocoCOCO  # noqa: N811 - two classes of one name


class COCO(PycocoCOCO):
    """COCO annotations.

    Args:
        annotation_file: JSON file.
        test_index: Keypoints to keep in every annotation, None for all.
        ann_data: Contents of the file, when they are read already.
    """

    def __init__(
        self,
        annotation_file: str | None = None,
        test_index: list[int] | None = None,
        ann_data: dict[str, Any] | None = None,
    ) -> None:
        if ann_data is None:
            super().__init__(annotation_file)
        else:
            super().__init__()
            self.dataset = ann_data
        self.anno_file = [annotation_file]
        self.test_index = test_index
        for annotation in self.dataset.get("annotations", []):
            annotation.setdefault("iscrowd", False)
            if test_index is not None:
                points = np.array(annotation["keypoints"]).reshape(-1, 3)
                annotation["keypoints"] = points[test_index].reshape(-1).tolist()
        if ann_data is not None:
            self.createIndex()

    def loadRes(  # noqa: N802 - the name of the interface
        self,
        resFile: str | list[dict[str, Any]] | NDArray[Any],
        resData: list[dict[str, Any]] | None = None,
    ) -> PycocoCOCO:
        """Make a COCO object of detections.

        Args:
            resFile: JSON file, list of results, or array of (image id, x, y, w, h, score,
                category).
            resData: Contents of the file, when they are read already.

        Returns:
            The detections, with ids 1..n in list order; an empty list is accepted.
        """
        if isinstance(resFile, str):
            if len(self.anno_file) == 1:
                self.anno_file.append(resFile)
            if resData is None:
                with open(resFile, encoding="utf-8") as file:
                    resData = json.load(file)
            resFile = resData
        if not isinstance(resFile, np.ndarray) and len(resFile) == 0:
            empty = COCO()
            empty.dataset = {
                "images": list(self.dataset["images"]),
                "categories": list(self.dataset.get("categories", [])),
                "annotations": [],
            }
            empty.createIndex()
            return empty
        return super().loadRes(resFile)
