"""Structural commonsense relations between keypoints, parts, the person box and the 24 charts.

Source: rule tables of the KTN v2 knowledge graph (KTN, TCSVT 2022); the matrices are the
download-free form 0.3 * rule. The published files add statistics and word vectors to the same
rules (projects/relations/relation_statistics.py). There is no rule for the box: all charts have the
same weight.
"""

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.parts import COARSE_PART_NAMES, COCO_KEYPOINT_NAMES, NUM_CHARTS

RULE_WEIGHT = 0.3
NUM_BOX_ROWS = 6

KEYPOINT_CHART_RULES: dict[str, tuple[int, ...]] = {
    "nose": (23, 24),
    "left_eye": (23, 24),
    "right_eye": (23, 24),
    "left_ear": (23, 24),
    "right_ear": (23, 24),
    "left_shoulder": (1, 2, 15, 17),
    "right_shoulder": (1, 2, 16, 18),
    "left_elbow": (15, 17, 19, 21),
    "right_elbow": (16, 18, 20, 22),
    "left_wrist": (4, 19, 21),
    "right_wrist": (3, 20, 22),
    "left_hip": (1, 2, 8, 10),
    "right_hip": (1, 2, 7, 9),
    "left_knee": (8, 10, 12, 14),
    "right_knee": (7, 9, 11, 13),
    "left_ankle": (5, 12, 14),
    "right_ankle": (6, 11, 13),
}

PART_CHART_RULES: dict[str, tuple[int, ...]] = {
    "torso": (1, 2),
    "right hand": (3,),
    "left hand": (4,),
    "left foot": (5,),
    "right foot": (6,),
    "right upper leg": (7, 9),
    "left upper leg": (8, 10),
    "right lower leg": (11, 13),
    "left lower leg": (12, 14),
    "left upper arm": (15, 17),
    "right upper arm": (16, 18),
    "left lower arm": (19, 21),
    "right lower arm": (20, 22),
    "head": (23, 24),
}

RELATION_KINDS = ("keypoint", "part", "box")


def keypoint_rules() -> NDArray[np.float64]:
    """Return the binary rules, (17, 24): rows in COCO keypoint order, columns charts 1..24."""
    return _rule_matrix(COCO_KEYPOINT_NAMES, KEYPOINT_CHART_RULES)


def part_rules() -> NDArray[np.float64]:
    """Return the binary rules, (14, 24): rows coarse parts 1..14, columns charts 1..24."""
    return _rule_matrix(COARSE_PART_NAMES[1:], PART_CHART_RULES)


def structural_relation(kind: str) -> NDArray[np.float64]:
    """Return the relation matrix from the rules alone.

    Args:
        kind: "keypoint", "part" or "box".

    Returns:
        (17, 25), (15, 25) or (6, 25): columns are charts with the background at 0; the part
        matrix also has the background as row 0. Background entries are 0.

    Raises:
        ValueError: Unknown kind.
    """
    if kind == "keypoint":
        return np.pad(RULE_WEIGHT * keypoint_rules(), ((0, 0), (1, 0)))
    if kind == "part":
        return np.pad(RULE_WEIGHT * part_rules(), ((1, 0), (1, 0)))
    if kind == "box":
        return np.pad(np.full((NUM_BOX_ROWS, NUM_CHARTS), RULE_WEIGHT), ((0, 0), (1, 0)))
    raise ValueError(f"relation kind must be one of {RELATION_KINDS}, got {kind!r}")


def _rule_matrix(rows: tuple[str, ...], rules: dict[str, tuple[int, ...]]) -> NDArray[np.float64]:
    matrix = np.zeros((len(rows), NUM_CHARTS))
    for row, name in enumerate(rows):
        matrix[row, np.array(rules[name]) - 1] = 1.0
    return matrix
