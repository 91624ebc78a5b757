"""Targets of STIP's auxiliary heads: person mask, keypoint presence, all-person heat-maps.

Source: official STIP loader. The mask is where any heat-map of the person exceeds 0.3, presence is
a positive weight. The loader also prepares heat-maps of the other persons of the image at half
height, which the official trainer never uses; here they are made on request (``spatial="all"``).
"""

from collections import defaultdict
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures.bbox import get_warp_matrix
from numpy.typing import NDArray

from mmktn.formats.coco_fields import record_list
from mmktn.formats.json_files import read_json
from mmktn.registry import TRANSFORMS


@lru_cache(maxsize=4)
def _keypoints_by_image(ann_file: str) -> dict[int, list[tuple[int, NDArray[np.float32]]]]:
    """Read id and keypoints ``(K, 3)`` of every labelled person of an annotation file."""
    persons: dict[int, list] = defaultdict(list)
    for annotation in record_list(read_json(ann_file, "ann_file"), "annotations", ann_file):
        keypoints = np.array(annotation.get("keypoints", ()), dtype=np.float32).reshape(-1, 3)
        if (keypoints[:, 2:] > 0).any():
            persons[annotation["image_id"]].append((annotation["id"], keypoints))
    return dict(persons)


@TRANSFORMS.register_module()
class SemanticTargets(BaseTransform):
    """Add the targets of STIP's mask, semantics and spatial heads.

    Required keys: ``heatmaps``, ``keypoint_weights`` (put it after GenerateTarget); for
    ``spatial="all"`` also ``dataset``, ``img_id``, ``id``, ``ori_shape`` and what TopdownAffine
    sets.

    Added keys: ``person_mask`` ``(1, h, w)``, ``keypoint_presence`` ``(1, K)`` and, for
    ``spatial="all"``, ``spatial_heatmaps`` ``(K, h, w)``, with their places in the mapping tables
    of PackPoseInputs.

    Args:
        mask_threshold: The mask is 1 where a heat-map exceeds this.
        spatial: ``"person"``: the spatial head sees the crop's own person only (official trainer);
            ``"all"``: the other persons too, at half the height.
        encoder: Codec of the heat-maps, the same as GenerateTarget's; needed for ``"all"``.

    Raises:
        ValueError: If `spatial` is neither of the two, or the encoder it needs is missing.
    """

    def __init__(
        self,
        mask_threshold: float = 0.3,
        spatial: str = "person",
        *,
        encoder: dict | None = None,
    ) -> None:
        if spatial not in ("person", "all"):
            raise ValueError(f"SemanticTargets.spatial must be 'person' or 'all', got {spatial!r}")
        if spatial == "all" and encoder is None:
            raise ValueError("SemanticTargets(spatial='all') needs encoder=codec")
        self.mask_threshold = mask_threshold
        self.spatial = spatial
        self.encoder = KEYPOINT_CODECS.build(encoder) if spatial == "all" else None

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the targets; see the class."""
        heatmaps = results["heatmaps"]
        mask = heatmaps.max(0, keepdims=True) > self.mask_threshold
        results["person_mask"] = mask.astype(np.float32)
        results["keypoint_presence"] = (results["keypoint_weights"] > 0).astype(np.float32)
        fields, labels = ["person_mask"], ["keypoint_presence"]
        if self.encoder is not None:
            others = 0.5 * self._other_persons(results, self.encoder)
            results["spatial_heatmaps"] = np.maximum(heatmaps, others)
            fields.append("spatial_heatmaps")
        for table, names in (("field_mapping_table", fields), ("label_mapping_table", labels)):
            results[table] = {**results[table], **{name: name for name in names}}
        return results

    @staticmethod
    def _other_persons(results: dict[str, Any], encoder: Any) -> NDArray[np.float32]:
        """Return the heat-maps of the other persons of the image: the maximum over them."""
        maps = np.zeros_like(results["heatmaps"])
        persons = _keypoints_by_image(results["dataset"].ann_file)
        for person_id, keypoints in persons.get(results["img_id"], ()):
            if person_id == results["id"]:
                continue
            xy = crop_keypoints(keypoints[:, :2], results)
            visible = np.minimum(keypoints[None, :, 2], 1)
            if results.get("flip", False):
                visible = visible[:, results["flip_indices"]]
            encoded = encoder.encode(xy[None], visible)
            maps = np.maximum(maps, encoded["heatmaps"])
        return maps


def crop_keypoints(keypoints_xy: NDArray, results: dict[str, Any]) -> NDArray[np.float32]:
    """Move keypoints of the image the way the crop was made: flip, then affine map.

    Args:
        keypoints_xy: Keypoints ``(K, 2)`` in image pixels.
        results: Pipeline dict after TopdownAffine (not the UDP variant).

    Returns:
        Keypoints ``(K, 2)`` in crop pixels, left and right swapped if the crop is flipped.

    Raises:
        ValueError: If the crop was flipped in another direction than horizontally.
    """
    xy = keypoints_xy.astype(np.float32)
    if results.get("flip", False):
        if results.get("flip_direction", "horizontal") != "horizontal":
            raise ValueError(
                f"flip_direction {results['flip_direction']!r} is not supported with "
                "SemanticTargets(spatial='all'); use horizontal flips"
            )
        xy = xy[results["flip_indices"]]
        xy[:, 0] = results["ori_shape"][1] - 1 - xy[:, 0]
    rotation = results.get("bbox_rotation", np.zeros(1))[0]
    matrix = get_warp_matrix(
        results["input_center"],
        results["input_scale"],
        rotation,
        output_size=results["input_size"],
    )
    return cv2.transform(xy[None], matrix)[0]
