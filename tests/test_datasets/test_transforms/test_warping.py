"""Warps move image, person map, boxes and annotation together."""

import json

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.structures.bbox import HorizontalBoxes

from mmktn.datasets.transforms import (
    LoadGivenBoxes,
    LoadPersonMap,
    PackDensePoseInputs,
    PaintBackground,
    RandomWarpCrop,
    WarpToPerson,
)
from mmktn.formats.annotation_checks import AnnotationError
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image
from tests.fake_annotations import fake_annotation

HW = (120, 160)
CELLS = [(60, 80), (128, 128), (200, 90)]


def make_results(seed=0):
    """One person whose three points lie on marks: image, person map and coarse map agree there."""
    person = fake_annotation(np.random.default_rng(seed), 3)
    box = np.array([40.0, 30.0, 104.0, 94.0], np.float32)  # 4 cells a pixel
    person.point_xy = (torch.tensor(CELLS) + 2) / 256
    image = np.zeros((*HW, 3), np.uint8)
    seg = np.zeros(HW, np.uint8)
    person.coarse_map[:] = 0
    for x, y in CELLS:
        column, row = 40 + x // 4, 30 + y // 4
        image[row - 2 : row + 3, column - 2 : column + 3] = 200
        seg[row - 2 : row + 3, column - 2 : column + 3] = 1
        person.coarse_map[y - 8 : y + 12, x - 8 : x + 12] = 5
    return {
        "img": image,
        "img_shape": HW,
        "ori_shape": HW,
        "gt_seg_map": seg,
        "gt_bboxes": HorizontalBoxes(box[None]),
        "gt_bboxes_labels": np.zeros(1, np.int64),
        "gt_ignore_flags": np.zeros(1, bool),
        "gt_densepose": DensePoseAnnotations([person]),
        "gt_densepose_boxes": box[None],
        "bbox": box[None],
        "bbox_score": np.array([0.75], np.float32),
        "instances": [{"bbox": box.tolist(), "ignore_flag": 0}],
    }


def marks_under_points(results):
    """Pixel, person map and part under each point, and which points are inside."""
    (item,) = results["gt_densepose"]
    box = torch.from_numpy(results["gt_densepose_boxes"])[0]
    points = box_relative_to_image(item.point_xy, box)
    height, width = results["img"].shape[:2]
    column, row = points.floor().long().T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row = column[inside].numpy(), row[inside].numpy()
    cell = (item.point_xy[inside] * 256).long()
    parts = item.coarse_map[cell[:, 1], cell[:, 0]]
    return results["img"][row, column, 0], results["gt_seg_map"][row, column], parts, inside


@pytest.mark.parametrize("seed", range(6))
def test_everything_stays_together(seed):
    np.random.seed(seed)  # noqa: NPY002  (what mmcv draws from)
    for transform in (
        RandomWarpCrop((96, 80), (0.8, 1.5), rotation=40),
        WarpToPerson(100, 1.3, scale_jitter=0.2, rotation=40, shift=0.1),
    ):
        results = transform(make_results())
        pixels, persons, parts, inside = marks_under_points(results)
        assert inside.any()
        # A mark of 5 pixels shrinks to 4 at the least: its middle is untouched by interpolation.
        assert (pixels > 150).all()
        assert (persons == 1).all()
        assert (parts == 5).all()
        assert results["img_shape"] == results["img"].shape[:2] == results["gt_seg_map"].shape
        np.testing.assert_allclose(results["gt_bboxes"].tensor, results["gt_densepose_boxes"])


def test_crop_has_its_size_and_unknown_border():
    np.random.seed(0)  # noqa: NPY002  (what mmcv draws from)
    results = RandomWarpCrop((96, 80), (0.25, 0.25), rotation=0)(make_results())
    assert results["img"].shape == (80, 96, 3)
    assert results["gt_seg_map"][0, 0] == 255
    np.testing.assert_array_equal(results["img"][0, 0], [104, 116, 124])
    # The image, 40 x 30 pixels now, lies in the middle.
    assert (results["gt_seg_map"][26:54, 29:67] != 255).all()


def test_crops_show_annotated_points():
    for seed in range(20):
        np.random.seed(seed)  # noqa: NPY002  (what mmcv draws from)
        results = RandomWarpCrop((48, 48), (1.0, 1.5), rotation=30, tries=100)(make_results())
        assert marks_under_points(results)[3].any()


def test_scale_is_uniform_in_its_logarithm():
    np.random.seed(0)  # noqa: NPY002  (what mmcv draws from)
    crop = RandomWarpCrop((64, 64), (0.5, 2.0), rotation=30)
    matrices = [crop._draw(HW) for _ in range(400)]
    scales = np.array([float(torch.det(m[:, :2])) ** 0.5 for m in matrices])
    assert 0.5 <= scales.min() < 0.55
    assert 1.9 < scales.max() <= 2.0
    assert abs(np.log(scales).mean()) < 0.1  # standard error 0.02


def test_person_crop_by_hand():
    """Box of 64 pixels times 1.25, longer side 160: twice the size, corner at (32, 22)."""
    results = WarpToPerson(160, 1.25)(make_results())
    assert results["img"].shape == (160, 160, 3)
    assert results["crop_window"] == [32, 22, 112, 102]
    assert results["person_box"] == [40, 30, 104, 94]
    assert results["person_score"] == 0.75
    np.testing.assert_allclose(results["gt_densepose_boxes"], [[16, 16, 144, 144]])
    # Without rotation the annotation is what it was.
    before = make_results()["gt_densepose"][0]
    torch.testing.assert_close(results["gt_densepose"][0].point_xy, before.point_xy)
    assert torch.equal(results["gt_densepose"][0].coarse_map, before.coarse_map)


def test_longer_side_and_aspect_of_a_slim_person():
    results = make_results()
    results["bbox"] = np.array([[40, 20, 56, 100]], np.float32)
    results = WarpToPerson(120, 1.0)(results)
    assert results["img"].shape == (120, 24, 3)
    np.testing.assert_allclose(results["crop_window"], [40, 20, 56, 100])


def test_rotated_crops_give_no_window():
    np.random.seed(0)  # noqa: NPY002  (what mmcv draws from)
    assert "crop_window" not in WarpToPerson(64, rotation=20)(make_results())


def test_whole_image_without_a_person():
    results = make_results()
    for key in ("bbox", "gt_densepose", "gt_densepose_boxes", "gt_bboxes"):
        del results[key]
    results = WarpToPerson(80, 1.0)(results)
    assert results["img"].shape == (60, 80, 3)
    assert results["crop_window"] == [0, 0, 160, 120]


def test_warps_come_first_and_crop_one_person():
    results = make_results()
    results["homography_matrix"] = np.eye(3)
    with pytest.raises(ValueError, match="before Resize"):
        WarpToPerson()(results)
    results = make_results()
    results["bbox"] = np.zeros((2, 4))
    with pytest.raises(ValueError, match="2 persons in one item"):
        WarpToPerson()(results)


def test_flip_and_packing_follow_a_warp():
    np.random.seed(1)  # noqa: NPY002  (what mmcv draws from)
    steps = [
        {"type": "mmktn.WarpToPerson", "longer_side": 100, "rotation": 30},
        {"type": "mmktn.DensePoseRandomFlip", "prob": 1.0},
        {"type": "mmktn.PackDensePoseInputs", "meta_keys": ("img_shape", "flip")},
    ]
    sample = Compose(steps)(make_results())
    people = sample["data_samples"].gt_instances
    boxes = getattr(people.bboxes, "tensor", people.bboxes)
    points = box_relative_to_image(people.densepose[0].point_xy, boxes[0]).floor().long()
    assert (sample["inputs"][0, points[:, 1], points[:, 0]] > 150).all()
    seg = sample["data_samples"].gt_sem_seg.sem_seg[0]
    assert (seg[points[:, 1], points[:, 0]] == 1).all()


def test_paint_background():
    results = make_results()
    results["gt_seg_map"][0, :3] = 2, 255, 0
    painted = PaintBackground((10.4, 20.6, 30))(results)["img"]
    on = results["gt_seg_map"] == 1
    assert (painted[on] == make_results()["img"][on]).all()
    assert (painted[~on] == (10, 21, 30)).all()
    with pytest.raises(KeyError, match="LoadPersonMap"):
        PaintBackground()({"img": painted})


def test_person_map_draws_own_and_others():
    results = {
        "img_shape": (10, 12),
        "instances": [{"ann_id": 1, "bbox": [0, 0, 3, 3], "mask": [[0, 0, 4, 0, 4, 4, 0, 4]]}],
        "all_persons": [
            {"ann_id": 1, "bbox": [0, 0, 3, 3]},
            {"ann_id": 2, "bbox": [0, 0, 3, 3], "mask": [[6, 5, 12, 5, 12, 10, 6, 10]]},
        ],
    }
    drawn = LoadPersonMap()(results)["gt_seg_map"]
    assert drawn[2, 2] == 1
    assert drawn[8, 8] == 2
    assert drawn[0, 11] == 0
    results["instances"][0]["mask"] = [[1, 2]]
    with pytest.raises(AnnotationError, match="field segmentation: polygon 0 has 2 numbers"):
        LoadPersonMap()(results | {"ann_file": "x.json", "img_id": 5})


def test_given_boxes(tmp_path):
    results = {
        "img_id": 3,
        "instances": [
            {"bbox": [1, 2, 3, 4], "ignore_flag": 0},
            {"bbox": [5, 6, 7, 8], "ignore_flag": 1},
        ],
    }
    assert LoadGivenBoxes()(dict(results))["given_boxes"].tolist() == [[1, 2, 3, 4]]
    path = tmp_path / "boxes.json"
    person = {"image_id": 3, "category_id": 1, "bbox": [10, 20, 5, 6]}
    entries = [person | {"score": score} for score in (0.25, 0.75, 0.5)]
    entries += [person | {"image_id": 4, "score": 1}, person | {"category_id": 3, "score": 0.9}]
    path.write_text(json.dumps(entries))
    found = LoadGivenBoxes(str(path), max_per_image=2)(dict(results))
    assert found["given_scores"].tolist() == [0.75, 0.5]
    assert found["given_boxes"][0].tolist() == [10, 20, 15, 26]
    assert LoadGivenBoxes(str(path))({"img_id": 9})["given_boxes"].shape == (0, 4)
    other = LoadGivenBoxes(str(path))(dict(results) | {"person_ids": {3}})
    assert other["given_scores"].tolist() == pytest.approx([0.9])
    for field, value in (("bbox", [1, 2, None, 4]), ("score", "0.5"), ("category_id", [1])):
        path.write_text(json.dumps([entries[0], entries[0] | {field: value}]))
        with pytest.raises(ValueError, match=rf"detection 1 of .*boxes\.json: .*{field}"):
            LoadGivenBoxes(str(path))
    path.write_text('[{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]}]')
    with pytest.raises(ValueError, match=r"detection 0 of .* has no 'score'"):
        LoadGivenBoxes(str(path))
    with pytest.raises(FileNotFoundError, match="bbox_file: no file"):
        LoadGivenBoxes(str(tmp_path / "none.json"))


def test_whole_image_pipeline_packs_the_map():
    np.random.seed(0)  # noqa: NPY002  (what mmcv draws from)
    results = RandomWarpCrop((64, 48))(make_results())
    sample = PackDensePoseInputs(meta_keys=("img_shape",))(results)["data_samples"]
    assert sample.gt_sem_seg.sem_seg.shape == (1, 48, 64)
    assert sample.img_shape == (48, 64)
