"""A world seen in a mirror: left and right of image and body swapped, the scores stay."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.pointwise import evaluate_pointwise
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.surface import CHART_FLIP, load_surface
from tests.test_evaluation.builders import World


class StraightDistances:
    """Distances through the body: symmetric like the body, and there at once."""

    def __init__(self, vertices):
        self.vertices = vertices

    def distance(self, a, b):
        return np.linalg.norm(self.vertices[a] - self.vertices[b], axis=-1)


@pytest.fixture(scope="module")
def symmetric_surface():
    body = load_surface("human")
    return SimpleNamespace(
        atlas=body.atlas,
        geodesics=StraightDistances(np.asarray(body.mesh.vertices)),
        symmetry=body.symmetry,
    )


def flip_map(iuv, symmetry):
    charts, u, v = iuv.astype(int)
    flipped_u, flipped_v = symmetry.flip_uv(charts.ravel(), u.ravel() / 255, v.ravel() / 255)
    uv = np.stack([flipped_u, flipped_v]).reshape(2, *charts.shape)
    uv = np.round(uv * 255) * (charts > 0)
    return np.concatenate([CHART_FLIP[charts][None], uv])[..., ::-1].astype(np.uint8)


def mirrored(world, symmetry):
    other = World(grid=256.0)
    for entry in other.data["annotations"]:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [160 - x - w, y, w, h]
        entry["dp_x"] = (256 - np.array(entry["dp_x"])).tolist()
        charts = np.array(entry["dp_I"], dtype=int)
        u, v = symmetry.flip_uv(charts, np.array(entry["dp_U"]), np.array(entry["dp_V"]))
        entry |= {"dp_I": CHART_FLIP[charts].tolist(), "dp_U": u.tolist(), "dp_V": v.tolist()}
        entry["segmentation"] = []
    return other


def test_a_mirrored_world_scores_the_same(symmetric_surface):
    world = World(grid=256.0)
    for entry in world.data["annotations"]:
        entry["segmentation"] = []
    spoiled = world.spoiled()
    other = mirrored(world, symmetric_surface.symmetry)
    boxes = spoiled.boxes_xywh.copy()
    # Whole pixels keep the rounding of points the same on both sides.
    boxes[:, :2] = np.round(boxes[:, :2])
    plain = other_boxes = boxes
    other_boxes = np.c_[160 - boxes[:, 0] - boxes[:, 2], boxes[:, 1:]]
    maps = [spoiled.iuv(k) for k in range(len(spoiled))]
    flipped = [flip_map(m, symmetric_surface.symmetry) for m in maps]
    columns = {"image_ids": spoiled.image_ids, "scores": spoiled.scores}
    first = world.detections(boxes_xywh=plain, maps=maps, **columns)
    second = other.detections(boxes_xywh=other_boxes, maps=flipped, **columns)
    options = {"protocol": "clean", "metrics": ["gps"]}
    a = evaluate_densepose(world.truth(), first, symmetric_surface, **options)
    b = evaluate_densepose(other.truth(), second, symmetric_surface, **options)
    for left, right in zip(a.pairs, b.pairs, strict=True):
        # U, V pass through 256-step tables twice: neighbouring vertices may be chosen instead,
        # about 2 cm on this body, which is 0.02 in the similarity of a point on a hand.
        np.testing.assert_allclose(left.similarities["gps"], right.similarities["gps"], atol=0.02)
    p = evaluate_pointwise(world.truth(), first, symmetric_surface, with_iou=False).values()
    q = evaluate_pointwise(other.truth(), second, symmetric_surface, with_iou=False).values()
    assert p["missed"] == q["missed"]
    assert p["AUC30"] == pytest.approx(q["AUC30"], abs=0.01)
