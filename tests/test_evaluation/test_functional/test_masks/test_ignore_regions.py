import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.functional.masks.ignore_regions import (
    ignore_region_mask,
    keeps_detection,
    keeps_person,
)
from tests.test_evaluation.builders import World

REGION = np.zeros((20, 20), dtype=np.uint8)
REGION[:, 10:] = 1
FULL = np.ones((3, 10, 10), dtype=np.uint8)


def box(x, y, w=10, h=10):
    return np.array([x, y, w, h], dtype=float)


def test_persons_inside_a_region_by_seven_tenths_are_left_out():
    assert keeps_person(box(4, 0), REGION, loose=True)
    assert not keeps_person(box(7, 0), REGION, loose=True)
    assert not keeps_person(box(0, 0, 0, 5), REGION, loose=True)


def test_detections_inside_a_region_by_nine_tenths_are_left_out():
    assert keeps_detection(box(8, 0), FULL, REGION, loose=True)
    assert not keeps_detection(box(9, 0), FULL, REGION, loose=True)


def test_a_box_across_the_border_always_stays_only_officially():
    assert keeps_detection(box(14, 5), FULL, REGION, loose=True)
    assert not keeps_detection(box(14, 5), FULL, REGION, loose=False)


def test_an_empty_mask_stays():
    assert keeps_detection(box(9, 0), FULL * 0, REGION, loose=True)
    assert keeps_detection(box(9, 0), FULL * 0, REGION, loose=False)


def test_no_polygons_is_no_region():
    assert ignore_region_mask(ImageInfo(5, 5)) is None
    region = ignore_region_mask(
        ImageInfo(20, 20, ((10.0, 0.0, 20.0, 0.0, 20.0, 20.0, 10.0, 20.0),))
    )
    assert region[:, 11:].all()
    assert not region[:, :9].any()


@pytest.mark.parametrize(("protocol", "dropped"), [("official", 0), ("clean", 1)])
def test_detections_in_images_without_annotations_are_filtered_only_in_clean(
    surface, protocol, dropped
):
    world = World(0, images=1, people=1)
    world.data["images"].append({
        "id": 50, "height": 120, "width": 160,
        "ignore_regions_x": [[0, 160, 160, 0]], "ignore_regions_y": [[0, 0, 120, 120]],
    })  # fmt: skip
    detections = world.detections(
        image_ids=[10, 50], boxes_xywh=world.boxes * 2, scores=[0.5, 0.6], maps=world.maps * 2
    )
    scores = evaluate_densepose(world.truth(), detections, surface, protocol=protocol)
    found = [note for note in scores.notes if "inside ignore regions" in note]
    assert len(found) == dropped
