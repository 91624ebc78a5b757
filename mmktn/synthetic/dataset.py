"""Whole data sets: images, DensePose-COCO and CrowdPose JSON, dense maps.

Since every image has a random stream of its own, the result does not depend on the number of
workers, and a longer set begins with the shorter one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from mmktn.synthetic.sample import (
    COCO_SKELETON,
    CROWDPOSE_SKELETON,
    KEYPOINT_NAMES,
    SPLITS,
    GeneratorOptions,
    Sample,
    make_sample,
)
from mmktn.utils.output_files import replace_atomically, write_json

GENERATOR_VERSION = 2
_JPEG_QUALITY = 93


def write_sample(out: Path, split: str, sample: Sample) -> None:
    """Write the picture to `<split>/` and the dense maps to `dense/<split>/` below `out`.

    Raises:
        OSError: a file cannot be written.
    """
    image, _ = next(iter(sample.records.values()))
    ok, code = cv2.imencode(
        ".jpg", sample.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not ok:
        raise OSError(f"{image['file_name']}: OpenCV cannot encode the picture")
    with replace_atomically(out / split / image["file_name"]) as handle:
        handle.write(code.tobytes())
    name = Path(image["file_name"]).with_suffix(".npz").name
    sample.labels.maps.write(out / "dense" / split / name)


def generate_split(
    out: Path,
    split: str,
    count: int,
    *,
    options: GeneratorOptions,
    workers: int = 1,
    on_image: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Generate and write one split.

    Args:
        out: root folder of the data set; missing folders are made.
        split: "train" or "val".
        count: number of images.
        options: what to generate.
        workers: processes; 0 or 1 works in this one. Results are equal.
        on_image: called after each finished image.

    Returns:
        format -> the annotation file's content, also written to `annotations/`.

    Raises:
        ValueError: unknown split or a negative count.
        OSError: a file cannot be written.
    """
    if split not in SPLITS or count < 0:
        raise ValueError(f"split {split!r} with {count} images: need train or val and a count >= 0")
    for folder in (out / split, out / "dense" / split, out / "annotations"):
        folder.mkdir(parents=True, exist_ok=True)
    files = {name: _empty_file(name, split, options) for name in options.formats}
    for records in _all_records(out, split, count, options, workers):
        for name, (image, people) in records.items():
            files[name]["images"].append(image)
            files[name]["annotations"].extend(people)
        on_image()
    for name, content in files.items():
        write_json(annotation_file(out, name, split), content)
    return files


def annotation_file(out: Path, name: str, split: str) -> Path:
    """Name an annotation file: `annotations/densepose_<split>.json` or `crowdpose_...`."""
    stem = "densepose" if name == "coco" else "crowdpose"
    return out / "annotations" / f"{stem}_{split}.json"


def _all_records(
    out: Path, split: str, count: int, options: GeneratorOptions, workers: int
) -> Iterator[dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]]:
    jobs: Iterable[tuple[Path, str, GeneratorOptions, int]] = (
        (out, split, options, index) for index in range(count)
    )
    if workers <= 1:
        yield from map(_job, jobs)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        yield from pool.map(_job, jobs, chunksize=2)


def _job(
    job: tuple[Path, str, GeneratorOptions, int],
) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    out, split, options, index = job
    sample = make_sample(options, split, index)
    write_sample(out, split, sample)
    return sample.records


def _empty_file(name: str, split: str, options: GeneratorOptions) -> dict[str, Any]:
    """Return an annotation file without images."""
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(KEYPOINT_NAMES[name]),
        "skeleton": COCO_SKELETON if name == "coco" else CROWDPOSE_SKELETON,
    }
    info = {
        "description": f"mmktn synthetic people, {split}, {name} format",
        "version": str(GENERATOR_VERSION),
        "options": asdict(options),
    }
    return {
        "info": info,
        "licenses": [],
        "categories": [category],
        "images": [],
        "annotations": [],
    }
