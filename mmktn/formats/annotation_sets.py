"""In what the published DensePose annotation files differ (docs/datasets.md, "Other sets").

Sources: data_format.md of the COCO and PoseTrack DensePose challenges, detectron2's dataset
documentation (PoseTrack, Chimps), README and reader of the UltraPose repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType


@dataclass(frozen=True)
class AnnotationFormat:
    """What a reader has to know about a set.

    Attributes:
        name: As in `annotation_format` of configs and `--format` of the checking tool.
        part_masks: `dp_masks` are 14 parts; otherwise one mask of the whole body, alone or in a
            list.
        all_parts: Exactly 14 must be listed; otherwise the first 14 of any number are read, as the
            official evaluator does.
        mask_sides: Sizes that `dp_masks` may have; others than 256 are read at the centres of the
            256 x 256 grid.
        help: Where the files come from, for the message when they are missing.
    """

    name: str
    part_masks: bool = True
    all_parts: bool = True
    mask_sides: tuple[int, ...] = (256,)
    help: str = ""


_SETS = (
    AnnotationFormat(
        "densepose_coco",
        help="DensePose-COCO consists of densepose_coco_2014_{train,valminusminival,minival}.json "
        "(from the DensePose project page), to be put in data/coco/annotations/, and the COCO 2014 "
        "images (from cocodataset.org), to be put in data/coco/train2014/ and "
        "data/coco/val2014/.",
    ),
    AnnotationFormat(
        "posetrack",
        help="DensePose-PoseTrack consists of densepose_only_posetrack_{train,val}2017.json (from "
        "the DensePose project) and the images of PoseTrack (posetrack.net, needs an account), all "
        "to be put in data/posetrack/.",
    ),
    AnnotationFormat(
        "ultrapose",
        mask_sides=(256, 512),
        help="UltraPose (annotations and images) is linked from the README of its repository, "
        "MomoAILab/ultrapose, and goes to data/ultrapose/.",
    ),
    AnnotationFormat(
        "chimps",
        part_masks=False,
        help="DensePose-Chimps consists of densepose_chimps_full_v2.json (from the DensePose "
        "project), to be put in data/densepose_chimps/annotations/, and the images at the URLs in "
        "it, to be put in data/densepose_chimps/images/.",
    ),
)
# Sets of this project in DensePose-COCO's format: a word of their path, and how to get them.
_OWN_SETS = (
    (
        "synthetic",
        "Synthetic people are made by: python -m mmktn synthesize --out "
        "data/synthetic_densepose --train 600 --val 60 (data/synthetic_quickstart, of the quick "
        "start, is a smaller set, which no config reads).",
    ),
    (
        "real",
        "The real sample is yours to bring: set the variable MMKTN_REAL_DATA to the folder with "
        "densepose_real.json and its images.",
    ),
)
FORMATS: Mapping[str, AnnotationFormat] = MappingProxyType({entry.name: entry for entry in _SETS})
DENSEPOSE_COCO = FORMATS["densepose_coco"]


def find_format(name: str) -> AnnotationFormat:
    """Look a format up.

    Args:
        name: One of `FORMATS`.

    Raises:
        ValueError: Unknown name.
    """
    if name not in FORMATS:
        raise ValueError(f"annotation_format must be one of {sorted(FORMATS)}, got {name!r}")
    return FORMATS[name]


def help_for(path: str, file_format: AnnotationFormat) -> str:
    """Tell where a missing file or folder comes from.

    Args:
        path: What is missing; its folder or name tells the synthetic set and the real sample.
        file_format: The set that it should belong to.

    Returns:
        One or two sentences.
    """
    # Not the whole path: a user's folders may have any name.
    words = re.split(r"[^a-z]+", "/".join(PurePath(path).parts[-3:]).lower())
    own = (text for word, text in _OWN_SETS if word in words)
    return next(own, file_format.help) if file_format is DENSEPOSE_COCO else file_format.help
