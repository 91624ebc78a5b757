"""Flips: every item stays on its pixel, twice is the identity, nothing is skipped silently."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import Resize
from mmdet.structures.bbox import HorizontalBoxes

from mmktn.datasets.transforms import (
    DensePoseRandomFlip,
    LoadDensePoseAnnotations,
    geometric,
)
from mmktn.structures.box_grid import box_relative_to_image
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface
from tests.fake_annotations import fake_coco_record

HEIGHT, WIDTH = 80, 120


@pytest.fixture
def results():
    """Image whose pixel (x, y) has the colour (x, y, 7), with three persons on it."""
    rng = np.random.default_rng(2)
    instances = []
    for person in range(3):
        record = fake_coco_record(
            rng,
            annotation_id=person,
            image_id=1,
            image_hw=(HEIGHT, WIDTH),
            with_densepose=person < 2,
            num_points=200,
        )
        x, y, w, h = record["bbox"]
        instances.append(record | {"bbox": [x, y, x + w, y + h]})
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack((columns, rows, np.full_like(rows, 7)), axis=-1).astype(np.uint8)
    boxes = np.array([instance["bbox"] for instance in instances], dtype=np.float32)
    loaded = {
        "img": image,
        "img_shape": (HEIGHT, WIDTH),
        "instances": instances,
        "gt_bboxes": HorizontalBoxes(boxes),
    }
    return LoadDensePoseAnnotations().transform(loaded)


def copy_of(results):
    return results | {"gt_bboxes": results["gt_bboxes"].clone(), "img": results["img"].copy()}


def image_points(results, person, name):
    box = results["gt_bboxes"].tensor[person]
    return box_relative_to_image(getattr(results["gt_densepose"][person], name), box)


def colours_under(image, points):
    columns, rows = points.floor().long().unbind(1)
    return image[rows.numpy(), columns.numpy()]


def test_points_stay_on_their_pixel(results):
    flipped = DensePoseRandomFlip(prob=1.0).transform(copy_of(results))
    assert flipped["flip"]
    assert np.array_equal(flipped["img"], results["img"][:, ::-1])
    for person in range(2):
        before = image_points(results, person, "point_xy")
        after = image_points(flipped, person, "point_xy")
        # On a column's edge the mirrored point belongs to the other neighbour: leave those out.
        clear = ((before[:, 0] % 1) - 0.5).abs() < 0.49
        assert clear.sum() > 180
        assert np.array_equal(
            colours_under(flipped["img"], after[clear]),
            colours_under(results["img"], before[clear]),
        )


def test_coarse_map_stays_on_its_pixels(results):
    flipped = DensePoseRandomFlip(prob=1.0).transform(copy_of(results))
    for person in range(2):
        old, new = (r["gt_densepose"][person].coarse_map for r in (results, flipped))
        assert torch.equal(new, torch.tensor(COARSE_FLIP)[old.flip(1).long()].to(torch.uint8))


def test_keypoints_are_mirrored_and_swapped(results):
    flipped = DensePoseRandomFlip(prob=1.0).transform(copy_of(results))
    for person in range(3):
        before = image_points(results, person, "keypoint_xy")
        after = image_points(flipped, person, "keypoint_xy")
        order = torch.tensor(KEYPOINT_FLIP)
        # COCO rule: x -> W - x; float32 at 120 px.
        torch.testing.assert_close(after[:, 0], WIDTH - before[order, 0], atol=1e-4, rtol=0)
        torch.testing.assert_close(after[:, 1], before[order, 1], atol=1e-4, rtol=0)


def test_charts_swap_sides_and_uv_follow_the_tables_of_all_charts(results):
    flipped = DensePoseRandomFlip(prob=1.0).transform(copy_of(results))
    symmetry = load_surface("human").symmetry
    for person in range(2):
        old, new = results["gt_densepose"][person], flipped["gt_densepose"][person]
        assert torch.equal(new.point_charts, torch.tensor(CHART_FLIP)[old.point_charts])
        charts = old.point_charts.numpy()
        assert {1, 2} <= set(charts.tolist())  # the torso is among them
        u, v = symmetry.flip_uv(charts, *old.point_uv.numpy().T)
        assert np.array_equal(new.point_uv.numpy(), np.stack((u, v), axis=1))


def test_convention_flip_twice_is_the_identity(results):
    flip = DensePoseRandomFlip(prob=1.0)
    twice = flip.transform(flip.transform(copy_of(results)))
    assert np.array_equal(twice["img"], results["img"])
    torch.testing.assert_close(twice["gt_bboxes"].tensor, results["gt_bboxes"].tensor)
    for old, new in zip(results["gt_densepose"], twice["gt_densepose"], strict=True):
        assert torch.equal(old.point_charts, new.point_charts)
        torch.testing.assert_close(old.point_xy, new.point_xy, atol=1e-7, rtol=0)
        torch.testing.assert_close(old.point_uv, new.point_uv, atol=1 / 255, rtol=0)
        if old.valid:
            assert torch.equal(old.coarse_map, new.coarse_map)


def test_resize_leaves_points_on_the_same_content(results):
    resized = Resize(scale=(2 * WIDTH, 2 * HEIGHT)).transform(copy_of(results))
    resized["img"] = cv2.resize(results["img"], None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    before = image_points(results, 0, "point_xy")
    after = image_points(resized, 0, "point_xy")
    torch.testing.assert_close(after, before * 2, atol=1e-4, rtol=0)
    assert np.array_equal(
        colours_under(resized["img"], after), colours_under(results["img"], before)
    )


def test_prob_zero_changes_nothing(results):
    same = DensePoseRandomFlip(prob=0.0).transform(copy_of(results))
    assert not same["flip"]
    assert same["gt_densepose"] is results["gt_densepose"]


def test_half_of_the_images_are_flipped(results):
    np.random.seed(0)  # noqa: NPY002  (mmcv draws from the global generator)
    flip = DensePoseRandomFlip(prob=0.5)
    count = sum(flip.transform(copy_of(results))["flip"] for _ in range(200))
    assert 75 <= count <= 125  # 200 fair coins: 3.5 standard deviations


def test_images_without_ground_truth_are_flipped_too(results):
    image = results["img"]
    flipped = DensePoseRandomFlip(prob=1.0).transform({"img": image.copy()})
    assert np.array_equal(flipped["img"], image[:, ::-1])


def test_without_tables_annotated_images_are_never_flipped(results):
    flip = DensePoseRandomFlip(prob=1.0, uv_symmetry="none", surface="not read")
    same = flip.transform(copy_of(results))
    assert (same["flip"], same["flip_direction"]) == (False, None)
    assert np.array_equal(same["img"], results["img"])
    results["gt_densepose"] = results["gt_densepose"][2:]
    results["gt_bboxes"] = results["gt_bboxes"][2:]
    assert flip.transform(results)["flip"]


def test_missing_tables_are_an_error(monkeypatch):
    class Bare:
        symmetry = None

    monkeypatch.setattr(geometric, "load_surface", lambda surface: Bare())
    with pytest.raises(
        ValueError, match=r"'bare folder' has no UV symmetry tables.*uv_symmetry='none'"
    ):
        DensePoseRandomFlip(surface="bare folder")


def test_unknown_surface_and_option(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        DensePoseRandomFlip(surface=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="'tables' or 'none', got 'approx'"):
        DensePoseRandomFlip(uv_symmetry="approx")
