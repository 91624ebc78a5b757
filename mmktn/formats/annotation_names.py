"""The names under which one DensePose annotation file is in circulation (docs/datasets.md).

Sources: detectron2's builtin data sets (`densepose_train2014.json`), the files as released by the
DensePose project. Data sets, metrics and tools all look a file up here.
"""

from __future__ import annotations

from pathlib import Path

_NAME_GROUPS = (
    ("densepose_coco_2014_{}.json", "densepose_{}2014.json"),
    ("densepose_only_posetrack_{}2017.json", "densepose_posetrack_{}2017.json"),
    ("densepose_chimps_full_v2.json", "densepose_chimps_densepose.json"),
)
_SPLITS = ("train", "valminusminival", "minival", "val", "test")


def names_in_circulation(path: str) -> list[str]:
    """Return the given path first, then the same file under its other names.

    Args:
        path: Annotation file, also of a remote backend.

    Returns:
        Paths in the same folder; only the given one where its name is nobody's.
    """
    name = path.rpartition("/")[2]
    found = [name]
    for group in _NAME_GROUPS:
        for split in _SPLITS:
            names = [pattern.format(split) for pattern in group]
            if name in names:
                found += names
    return [path[: len(path) - len(name)] + other for other in dict.fromkeys(found)]


def local_annotation_file(path: str | Path) -> Path | None:
    """Find a file on this machine under any of its names.

    Args:
        path: File asked for.

    Returns:
        The existing path, or None.
    """
    candidates = map(Path, names_in_circulation(str(path)))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
