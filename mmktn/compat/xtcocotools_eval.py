"""The keypoint evaluator of xtcocotools as an extension of pycocotools' one.

Differences from pycocotools that change numbers, all kept here: own sigmas; `use_area=False` takes
0.53 * w * h of the ground-truth box as area; a ground truth counts as unlabelled by its own v > 0
(crowd protocol: by its num_keypoints field); detections whose confidences are all zero are dropped;
annotation id 0 can be matched; the crowd protocol (Li et al., CrowdPose, CVPR 2019) adds AP for
easy (crowdIndex < 0.2), medium (< 0.8) and hard images. The evaluation runs on rewritten copies of
the annotations, so pycocotools' own matching does the work. Departs in one point: after `summarize`
the object still holds all images.
"""

import contextlib
import io
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval as PycocoEval

_BODY = ("keypoints",)
_FIELDS = {
    "keypoints_wholebody": (
        "keypoints",
        "foot_kpts",
        "face_kpts",
        "lefthand_kpts",
        "righthand_kpts",
    ),
    "keypoints_foot": ("foot_kpts",),
    "keypoints_face": ("face_kpts",),
    "keypoints_lefthand": ("lefthand_kpts",),
    "keypoints_righthand": ("righthand_kpts",),
}
_SCORES = {
    "keypoints_wholebody": "wholebody_score",
    "keypoints_foot": "foot_score",
    "keypoints_face": "face_score",
    "keypoints_lefthand": "lefthand_score",
    "keypoints_righthand": "righthand_score",
}
# Share of the box that a person fills, where annotations carry no area (CrowdPose, AI Challenger).
_BOX_FILL = 0.53
_EASY_BELOW, _MEDIUM_BELOW = 0.2, 0.8

Annotation = dict[str, Any]


class COCOeval(PycocoEval):
    """Evaluate keypoints with the protocols of COCO, COCO-WholeBody and CrowdPose.

    Args:
        cocoGt: Ground truth.
        cocoDt: Detections.
        iouType: ``"keypoints"``, ``"keypoints_crowd"``, ``"keypoints_wholebody"``, a part of it,
            ``"bbox"`` or ``"segm"``.
        sigmas: (K,) standard deviations of the keypoints, None for COCO's 17.
        use_area: False takes the area from the box.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
        sigmas: NDArray[np.float64] | None = None,
        use_area: bool = True,
    ) -> None:
        base_type = "keypoints" if "keypoints" in iouType else iouType
        super().__init__(cocoGt, cocoDt, base_type)
        self.params.iouType = iouType
        if sigmas is not None:
            self.params.kpt_oks_sigmas = np.asarray(sigmas)
        self.sigmas = getattr(self.params, "kpt_oks_sigmas", None)
        self.use_area = use_area
        self.anno_file = getattr(cocoGt, "anno_file", [None])
        self.score_key = _SCORES.get(iouType, "score")

    @contextlib.contextmanager
    def _as_plain_keypoints(self) -> Any:
        """Let pycocotools see the one keypoint type that it knows."""
        own = self.params.iouType
        self.params.iouType = "keypoints" if "keypoints" in own else own
        try:
            yield own
        finally:
            self.params.iouType = own

    def evaluate(self) -> None:
        """Match detections and ground truth image by image."""
        own_type = self.params.iouType
        with self._as_plain_keypoints():
            self._own_type = own_type
            super().evaluate()
        self._paramsEval.iouType = own_type

    def _prepare(self) -> None:
        """Fill `_gts` and `_dts` with copies in pycocotools' own terms.

        Ids are shifted by one, because 0 means unmatched there.
        """
        if "keypoints" not in self._own_type:
            super()._prepare()
            return
        params = self.params
        chosen = {"imgIds": params.imgIds}
        if params.useCats:
            chosen["catIds"] = params.catIds
        truths = self.cocoGt.loadAnns(self.cocoGt.getAnnIds(**chosen))
        detections = self.cocoDt.loadAnns(self.cocoDt.getAnnIds(**chosen))
        self._gts = defaultdict(list)
        self._dts = defaultdict(list)
        for truth in map(self._prepared_truth, truths):
            self._gts[truth["image_id"], truth["category_id"]].append(truth)
        for detection in map(self._prepared_detection, detections):
            if np.any(np.asarray(detection["keypoints"])[2::3] > 0):
                self._dts[detection["image_id"], detection["category_id"]].append(detection)
        self.evalImgs: Any = []
        self.eval: dict[str, Any] = {}

    def _keypoints(self, annotation: Annotation) -> list[float]:
        fields = _FIELDS.get(self._own_type, _BODY)
        return [value for field in fields for value in annotation[field]]

    def _prepared_truth(self, annotation: Annotation) -> Annotation:
        keypoints = self._keypoints(annotation)
        if self._own_type == "keypoints_crowd":
            labelled = annotation["num_keypoints"]
        else:
            labelled = np.count_nonzero(np.asarray(keypoints)[2::3] > 0)
        area = annotation.get("area")
        if area is None or not self.use_area:
            area = annotation["bbox"][2] * annotation["bbox"][3] * _BOX_FILL
        return {
            **annotation,
            "id": annotation["id"] + 1,
            "keypoints": keypoints,
            "area": area,
            "iscrowd": annotation.get("iscrowd", 0),
            "ignore": bool(annotation.get("iscrowd", 0)) or labelled == 0,
        }

    def _prepared_detection(self, annotation: Annotation) -> Annotation:
        return {
            **annotation,
            "id": annotation["id"] + 1,
            "keypoints": self._keypoints(annotation),
            "score": annotation.get(self.score_key, annotation["score"]),
        }

    def evaluateImg(  # noqa: N802 - the name of the interface
        self, imgId: int, catId: int, aRng: list[float], maxDet: int
    ) -> dict[str, Any] | None:
        """Match one image and category; unmatched entries are -1 for keypoints."""
        result = super().evaluateImg(imgId, catId, aRng, maxDet)
        if result is not None and "keypoints" in self._own_type:
            for name in ("dtMatches", "gtMatches"):
                result[name] = result[name].astype(np.int64) - 1
            for name in ("dtIds", "gtIds"):
                result[name] = [number - 1 for number in result[name]]
        return result

    def accumulate(self, p: Any = None) -> None:
        """Turn the matches into precision and recall."""
        own_images = self.evalImgs
        if "keypoints" in self.params.iouType:
            # pycocotools takes a match of 0 as unmatched.
            self.evalImgs = [
                entry and {**entry, "dtMatches": entry["dtMatches"] + 1} for entry in own_images
            ]
        super().accumulate(p)
        self.evalImgs = own_images

    def summarize(self) -> None:
        """Print the summary and put it in `stats`.

        COCO protocols: AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl. Crowd protocol: AP,
        AP50, AP75, AR, AR50, AR75, AP easy, AP medium, AP hard (rounded to four digits; -1 for a
        split without images).
        """
        with self._as_plain_keypoints() as own_type:
            super().summarize()
        if own_type == "keypoints_crowd":
            overall = np.asarray(self.stats)[[0, 1, 2, 5, 6, 7]]
            self.stats: Any = np.concatenate([overall, self._crowd_splits()])

    def _crowd_splits(self) -> list[float]:
        """Evaluate the images of each crowding level alone."""
        levels: tuple[list[int], ...] = ([], [], [])
        for image in self.cocoGt.dataset["images"]:
            crowding = image["crowdIndex"]
            levels[(crowding >= _EASY_BELOW) + (crowding >= _MEDIUM_BELOW)].append(image["id"])
        values = []
        for images in levels:
            part = type(self)(
                self.cocoGt, self.cocoDt, self.params.iouType, self.sigmas, self.use_area
            )
            part.params.catIds = self.params.catIds
            part.params.imgIds = images
            with contextlib.redirect_stdout(io.StringIO()):
                part.evaluate()
                part.accumulate()
            # Cells of -1 (no ground truth) are averaged too, as in the published evaluator.
            values.append(round(float(np.mean(part.eval["precision"][:, :, :, 0, :])), 4))
        return values
