"""One generated image: options in, picture and annotation records out.

Every image has a random stream of its own, made from (seed, split, index).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.io import load_surface
from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.surface.reference_mesh import BODY, body_mesh_name
from mmktn.synthetic.annotate import (
    coco_fields,
    crowd_index,
    dense_pose_fields,
    tight_box,
    vertex_fields,
)
from mmktn.synthetic.body import Template
from mmktn.synthetic.render import Labels, labelled_keypoints, render_image, render_labels
from mmktn.synthetic.scene import Scene, SceneOptions, sample_scene

SPLITS = ("train", "val")
FORMATS = ("coco", "crowdpose")

CROWDPOSE_KEYPOINT_NAMES = (*COCO_KEYPOINT_NAMES[5:], "head", "neck")
KEYPOINT_NAMES = {"coco": COCO_KEYPOINT_NAMES, "crowdpose": CROWDPOSE_KEYPOINT_NAMES}
_SURFACE_NAMES = {"head": "head_top"}


def _bones(text: str) -> list[list[int]]:
    """Return the pairs of 1-based keypoint numbers, as COCO writes skeletons."""
    return [[int(end) for end in bone.split("-")] for bone in text.split()]


COCO_SKELETON = _bones(
    "16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7"
)
CROWDPOSE_SKELETON = _bones("13-14 14-1 14-2 1-3 3-5 2-4 4-6 14-7 14-8 7-9 9-11 8-10 10-12")
# crowdIndex targets inside the easy, medium and hard ranges of both the CrowdPose paper (0.1, 0.8)
# and its evaluation code (0.2, 0.8).
CROWD_BANDS = ((0.0, 0.1), (0.2, 0.8), (0.8, 1.0))
_CROWD_ATTEMPTS = 10


@dataclass(frozen=True)
class GeneratorOptions:
    """What to generate.

    Attributes:
        seed: of everything.
        scene: image size, people, occluders.
        crowd: aim at crowdIndex values spread over easy, medium and hard instead of free scenes.
        annotated_fraction: probability that a person has dp_ fields.
        formats: "coco" writes DensePose-COCO with 17 keypoints, "crowdpose" 14 keypoints without
            dp_ fields; both may be asked for.
        surface: name or path for `mmktn.surface.load_surface`.
    """

    seed: int = 0
    scene: SceneOptions = field(default_factory=SceneOptions)
    crowd: bool = False
    annotated_fraction: float = 1.0
    formats: tuple[str, ...] = ("coco",)
    surface: str = "human"

    def __post_init__(self) -> None:
        unknown = set(self.formats) - set(FORMATS)
        if unknown or not self.formats:
            raise ValueError(f"formats {self.formats}: choose from {', '.join(FORMATS)}")
        if not 0 <= self.annotated_fraction <= 1:
            raise ValueError(f"annotated_fraction {self.annotated_fraction}: need 0 to 1")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: need a non-negative integer")

    @property
    def min_pixels(self) -> int:
        """Least number of visible pixels of a person who stays in the picture."""
        height, width = self.scene.size_hw
        return max(60, round(0.0016 * height * width))


@dataclass
class Sample:
    """One generated image.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        labels: people and dense maps.
        scene: what was rendered.
        records: format -> (image fields, annotations), JSON-ready.
    """

    picture: NDArray[np.uint8]
    labels: Labels
    scene: Scene
    records: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]


@lru_cache(maxsize=1)
def load_template(surface: str) -> Template:
    """Return the tables of a surface, once per process."""
    return Template.from_surface(load_surface(surface))


def make_sample(options: GeneratorOptions, split: str, index: int) -> Sample:
    """Generate one image.

    Args:
        options: what to generate.
        split: "train" or "val"; the two never share a random stream.
        index: number of the image in the split, from 0.

    Returns:
        The image with its annotations.

    Raises:
        ValueError: unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r}: choose from {', '.join(SPLITS)}")
    template = load_template(options.surface)
    stream = [options.seed, SPLITS.index(split), index]
    scene, labels = _acceptable_scene(options, template, stream, index)
    picture = render_image(scene, labels.people, template, rng=np.random.default_rng([*stream, 1]))
    records = {
        name: _records(options, name, scene, labels, template, stream) for name in options.formats
    }
    return Sample(picture, labels, scene, records)


def _acceptable_scene(
    options: GeneratorOptions, template: Template, stream: list[int], index: int
) -> tuple[Scene, Labels]:
    """Draw scenes until one shows somebody and, in crowd mode, has its crowdIndex in its band."""
    low, high = CROWD_BANDS[index % len(CROWD_BANDS)]
    best: tuple[float, Scene, Labels] | None = None
    for attempt in range(_CROWD_ATTEMPTS):
        rng = np.random.default_rng([*stream, 0, attempt])
        target = float(rng.uniform(low, high)) if options.crowd else None
        scene = sample_scene(template, rng, options=options.scene, crowd_target=target)
        labels = render_labels(scene, template, min_pixels=options.min_pixels)
        if not labels.people:
            continue
        if not options.crowd:
            return scene, labels
        reached = _crowd_index(labels, CROWDPOSE_KEYPOINT_NAMES, scene, template)
        lonely = 1.0 if len(labels.people) < min(2, options.scene.people[1]) else 0.0
        miss = max(low - reached, reached - high, 0.0) + lonely
        if best is None or miss < best[0]:
            best = miss, scene, labels
        if miss == 0:
            break
    if best is None:
        raise RuntimeError(f"image {index}: no scene in {_CROWD_ATTEMPTS} draws shows a person")
    return best[1], best[2]


def _keypoints_of_all(
    labels: Labels, names: tuple[str, ...], scene: Scene, template: Template
) -> NDArray[np.float64]:
    """Return (N, K, 3) keypoints of every person."""
    wanted = tuple(_SURFACE_NAMES.get(name, name) for name in names)
    return np.stack(
        [
            labelled_keypoints(labels, k, wanted, camera=scene.camera, template=template)
            for k in range(len(labels.people))
        ]
    )


def _crowd_index(labels: Labels, names: tuple[str, ...], scene: Scene, template: Template) -> float:
    boxes = [tight_box(mask) for mask in labels.outlines()]
    return crowd_index(boxes, _keypoints_of_all(labels, names, scene, template))


def _records(
    options: GeneratorOptions,
    name: str,
    scene: Scene,
    labels: Labels,
    template: Template,
    stream: list[int],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the image fields and annotations of one image in one format."""
    image_id = stream[1] * 1_000_000 + stream[2] + 1
    bodies, outlines = labels.masks(), labels.outlines()
    boxes = [tight_box(mask) for mask in outlines]
    keypoints = _keypoints_of_all(labels, KEYPOINT_NAMES[name], scene, template)
    image = {
        "id": image_id,
        "file_name": f"{image_id:012d}.jpg",
        "height": scene.camera.height,
        "width": scene.camera.width,
        # Of the keypoints as the file has them: pixel indices, half a pixel less.
        "crowdIndex": round(crowd_index(boxes, keypoints - (0.5, 0.5, 0.0)), 4),
    }
    people = []
    for k, (body, outline, box) in enumerate(zip(bodies, outlines, boxes, strict=True)):
        record: dict[str, Any] = {"id": image_id * 100 + k + 1, "image_id": image_id}
        record.update(coco_fields(outline, box, keypoints[k]))
        rng = np.random.default_rng([*stream, 2, k])
        if name == "coco" and rng.random() < options.annotated_fraction:
            record.update(dense_pose_fields(labels.maps, body, box, rng=rng))
            if options.surface == BODY:
                record.update(vertex_fields(record, load_surface(BODY), body_mesh_name()))
        people.append(record)
    return image, people
