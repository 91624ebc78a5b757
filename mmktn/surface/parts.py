"""Names and numbers of the charts, the coarse parts, the scoring groups and the keypoints.

Source: DensePose-COCO annotation format (24 charts, 14 coarse parts) and the official evaluator
(mean distances per scoring group). Left and right are the person's own. The front/back halves of
the limb charts were read off official results on photographs, see docs/surface.md.
"""

import numpy as np
from numpy.typing import NDArray

NUM_CHARTS = 24
NUM_COARSE = 14

CHART_NAMES: tuple[str, ...] = (
    "background",
    "torso back",
    "torso front",
    "right hand",
    "left hand",
    "left foot",
    "right foot",
    "right upper leg back",
    "left upper leg back",
    "right upper leg front",
    "left upper leg front",
    "right lower leg back",
    "left lower leg back",
    "right lower leg front",
    "left lower leg front",
    "left upper arm front",
    "right upper arm front",
    "left upper arm back",
    "right upper arm back",
    "left lower arm front",
    "right lower arm front",
    "left lower arm back",
    "right lower arm back",
    "right head",
    "left head",
)

COARSE_PART_NAMES: tuple[str, ...] = (
    "background",
    "torso",
    "right hand",
    "left hand",
    "left foot",
    "right foot",
    "right upper leg",
    "left upper leg",
    "right lower leg",
    "left lower leg",
    "left upper arm",
    "right upper arm",
    "left lower arm",
    "right lower arm",
    "head",
)

COARSE_TO_CHARTS: dict[int, tuple[int, ...]] = {
    0: (0,),
    1: (1, 2),
    2: (3,),
    3: (4,),
    4: (5,),
    5: (6,),
    6: (7, 9),
    7: (8, 10),
    8: (11, 13),
    9: (12, 14),
    10: (15, 17),
    11: (16, 18),
    12: (19, 21),
    13: (20, 22),
    14: (23, 24),
}


def _invert(groups: dict[int, tuple[int, ...]]) -> NDArray[np.int64]:
    """Table chart -> group of a table group -> charts, (25,) int64."""
    table = np.zeros(NUM_CHARTS + 1, dtype=np.int64)
    for group, charts in groups.items():
        table[list(charts)] = group
    table.setflags(write=False)
    return table


CHART_TO_COARSE: NDArray[np.int64] = _invert(COARSE_TO_CHARTS)

GPS_GROUP_NAMES: tuple[str, ...] = (
    "background",
    "torso",
    "hands",
    "feet",
    "upper legs",
    "lower legs",
    "upper arms",
    "lower arms",
    "head",
)

GPS_GROUP_TO_CHARTS: dict[int, tuple[int, ...]] = {
    0: (0,),
    1: (1, 2),
    2: (3, 4),
    3: (5, 6),
    4: (7, 8, 9, 10),
    5: (11, 12, 13, 14),
    6: (15, 16, 17, 18),
    7: (19, 20, 21, 22),
    8: (23, 24),
}

CHART_TO_GPS_GROUP: NDArray[np.int64] = _invert(GPS_GROUP_TO_CHARTS)

GPS_MEAN_DISTANCES_M: NDArray[np.float64] = np.array(
    [0.0, 0.351, 0.107, 0.126, 0.237, 0.173, 0.142, 0.128, 0.150]
)
GPS_MEAN_DISTANCES_M.setflags(write=False)

GLOBAL_KAPPA_M = 0.255

COCO_KEYPOINT_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
