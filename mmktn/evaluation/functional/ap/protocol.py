"""Rules of the evaluators, one named switch per rule in which two of them differ.

Sources: the official DensePose evaluator (detectron2), COCO's and CrowdPose's keypoint evaluators.
``official`` keeps every behaviour of the DensePose evaluator, ``clean`` is the same protocol
without its defects; docs/evaluation.md lists them side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_DETECTIONS = 20
MEDIUM_AREA = 32.0**2
LARGE_AREA = 96.0**2
ANY_AREA = 1e10
AREA_NAMES = ("all", "medium", "large")
AREA_RANGES: NDArray[np.float64] = np.array(
    [[0.0, ANY_AREA], [MEDIUM_AREA, LARGE_AREA], [LARGE_AREA, ANY_AREA]]
)
RECALL_POINTS: NDArray[np.float64] = np.linspace(0.0, 1.0, 101, dtype=np.float64)


@dataclass(frozen=True)
class DensePoseProtocol:
    """Switches of the dense-pose protocol; the defaults are the official evaluator.

    Attributes:
        name: Name printed with the results.
        point_grid: Size of the grid that dp_x, dp_y are read on (the data are drawn on 256).
        truncate_toward_zero: A point up to one pixel left of or above the box reads pixel 0.
        id_zero_unmatched: A match with the annotation of id 0 counts as no match.
        crowd_is_ordinary: iscrowd is no reason to ignore an annotation with points.
        unannotated_images_free: Detections in images without an annotated person are ignored.
        box_rule: A detection without a match takes the ignore flag of a person whose box it
            covers: judged ``at_last_threshold`` and then applied to all of them, or
            ``at_each_threshold`` for itself.
        box_tie_takes_last: Of boxes with equal overlap the last, ignored, person wins.
        zoom_drops_last_line: Rounding in the mask resize empties the last row or column.
        area_limits_inclusive: A person on the limit of two area ranges belongs to both.
        loose_ignore_regions: Results across the image border, or in images without
            annotations, are kept whatever they cover; negative corners wrap.
        float32_squares: Distances are squared in float32 where a pair has no zero and no miss.
        empty_value: AP and AR of an empty result list where there is ground truth.
    """

    name: str = "official"
    point_grid: float = 255.0
    truncate_toward_zero: bool = True
    id_zero_unmatched: bool = True
    crowd_is_ordinary: bool = True
    unannotated_images_free: bool = True
    box_rule: Literal["at_last_threshold", "at_each_threshold"] = "at_last_threshold"
    box_tie_takes_last: bool = True
    zoom_drops_last_line: bool = True
    area_limits_inclusive: bool = True
    loose_ignore_regions: bool = True
    float32_squares: bool = True
    empty_value: float = -1.0


OFFICIAL = DensePoseProtocol()
CLEAN = DensePoseProtocol(
    name="clean",
    point_grid=256.0,
    truncate_toward_zero=False,
    id_zero_unmatched=False,
    crowd_is_ordinary=False,
    unannotated_images_free=False,
    box_rule="at_each_threshold",
    box_tie_takes_last=False,
    zoom_drops_last_line=False,
    area_limits_inclusive=False,
    loose_ignore_regions=False,
    float32_squares=False,
    empty_value=0.0,
)
DENSEPOSE_PROTOCOLS = {protocol.name: protocol for protocol in (OFFICIAL, CLEAN)}


@dataclass(frozen=True)
class KeypointProtocol:
    """Switches of the keypoint protocols.

    Attributes:
        name: Name printed with the results.
        box_area_factor: OKS and area ranges use this share of the box; None takes ``area``.
        count_labelled_points: Ignore a person by counting v > 0, not by ``num_keypoints``.
        drop_blank_results: Leave out results whose third keypoint values are all 0.
        id_zero_unmatched: A match with the annotation of id 0 counts as no match.
        split_by_crowd_index: Report easy, medium and hard images apart.
        rounds_splits: Their APs count cells without ground truth as -1 and keep four digits.
    """

    name: str
    box_area_factor: float | None = None
    count_labelled_points: bool = False
    drop_blank_results: bool = False
    id_zero_unmatched: bool = True
    split_by_crowd_index: bool = False
    rounds_splits: bool = True


CROWDPOSE_AREA_FACTOR = 0.53
KEYPOINT_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        KeypointProtocol("coco"),
        KeypointProtocol(
            "coco_xtcocotools",
            count_labelled_points=True,
            drop_blank_results=True,
            id_zero_unmatched=False,
        ),
        KeypointProtocol("coco_clean", id_zero_unmatched=False),
        KeypointProtocol(
            "crowdpose", box_area_factor=CROWDPOSE_AREA_FACTOR, split_by_crowd_index=True
        ),
        KeypointProtocol(
            "crowdpose_xtcocotools",
            box_area_factor=CROWDPOSE_AREA_FACTOR,
            drop_blank_results=True,
            id_zero_unmatched=False,
            split_by_crowd_index=True,
        ),
        KeypointProtocol(
            "crowdpose_clean",
            box_area_factor=CROWDPOSE_AREA_FACTOR,
            id_zero_unmatched=False,
            split_by_crowd_index=True,
            rounds_splits=False,
        ),
    )
}


def densepose_protocol(protocol: str | DensePoseProtocol) -> DensePoseProtocol:
    """Look a dense-pose protocol up by name.

    Args:
        protocol: ``"official"``, ``"clean"``, or a protocol, which is returned as it is.

    Returns:
        The protocol.

    Raises:
        ValueError: No protocol has this name.
    """
    return _by_name(protocol, DENSEPOSE_PROTOCOLS)


def keypoint_protocol(protocol: str | KeypointProtocol) -> KeypointProtocol:
    """Look a keypoint protocol up by name.

    Args:
        protocol: Name in ``KEYPOINT_PROTOCOLS`` or a protocol, which is returned as it is.

    Returns:
        The protocol.

    Raises:
        ValueError: No protocol has this name.
    """
    return _by_name(protocol, KEYPOINT_PROTOCOLS)


AnyProtocol = TypeVar("AnyProtocol", DensePoseProtocol, KeypointProtocol)


def _by_name(protocol: str | AnyProtocol, known: Mapping[str, AnyProtocol]) -> AnyProtocol:
    if not isinstance(protocol, str):
        return protocol
    if protocol not in known:
        raise ValueError(f"protocol {protocol!r} is not one of {sorted(known)}")
    return known[protocol]


def similarity_thresholds(minimum: float = 0.5) -> NDArray[np.float64]:
    """Return the thresholds from a minimum to 0.95 in steps of 0.05.

    Args:
        minimum: Lowest threshold; 0.5 is COCO's, 0.2 adds AP20, AP30, AP40.

    Returns:
        (T,) thresholds.

    Raises:
        ValueError: The minimum is outside (0, 0.95].
    """
    if not 0.0 < minimum <= 0.95:
        raise ValueError(f"min_threshold must lie in (0, 0.95], got {minimum}")
    steps = round((0.95 - minimum) / 0.05)
    return np.linspace(minimum, 0.95, steps + 1, dtype=np.float64)
