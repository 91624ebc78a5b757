"""From raw fields to annotations: values, options, messages."""

import numpy as np
import pytest
import torch

from mmktn.datasets.transforms import LoadDensePoseAnnotations, LoadImageFromFile
from mmktn.formats.annotation_checks import AnnotationError
from mmktn.registry import TRANSFORMS
from tests.fake_annotations import fake_coco_record


@pytest.fixture
def instance():
    record = fake_coco_record(
        np.random.default_rng(0), annotation_id=5, image_id=9, image_hw=(80, 100), num_points=237
    )
    record |= {"bbox": [10.0, 20.0, 74.0, 52.0], "ann_id": 5}
    return record


def load(*instances, **options):
    results = {"instances": list(instances), "img_id": 9, "ann_file": "f.json"}
    return LoadDensePoseAnnotations(**options).transform(results)


def test_values_by_hand(instance):
    instance |= {"dp_x": [64.0, 256.0], "dp_y": [0.0, 128.0], "dp_I": [3.0, 24.0]}
    instance |= {"dp_U": [0.25, 1.0], "dp_V": [0.5, 0.0], "dp_masks": [[]] * 14}
    # Pixel indices: the centre of pixel 41 is at 41.5.
    instance["keypoints"] = [41.5, 35.5, 2, 9.5, 51.5, 1] + [0] * 45
    results = load(instance)
    assert results["gt_densepose_boxes"].tolist() == [[10.0, 20.0, 74.0, 52.0]]
    person = results["gt_densepose"][0]
    assert person.valid
    assert person.point_xy.tolist() == [[0.25, 0.0], [1.0, 0.5]]
    assert person.point_charts.tolist() == [3, 24]
    assert person.point_uv.tolist() == [[0.25, 0.5], [1.0, 0.0]]
    assert person.keypoint_xy[:2].tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert person.keypoint_visible.tolist() == [2, 1] + [0] * 15
    assert person.coarse_map.shape == (256, 256)
    assert not person.coarse_map.any()


def test_more_than_196_points(instance):
    person = load(instance)["gt_densepose"][0]
    assert person.num_points == 237
    assert person.coarse_map.unique().max() == 14
    assert person.point_xy.dtype == person.point_uv.dtype == torch.float32


def test_persons_without_dense_pose_keep_keypoints():
    bare = {"bbox": [0, 0, 10, 10], "keypoints": [4.5, 4.5, 2] * 17}
    first, second = load(bare, {"bbox": [0, 0, 4, 4]})["gt_densepose"]
    assert not first.valid
    assert first.keypoint_xy.unique().tolist() == [0.5]
    assert second.keypoint_xy is None
    assert second.num_points == 0


def test_options_leave_things_out(instance):
    person = load(instance, with_coarse_map=False, with_keypoints=False)["gt_densepose"][0]
    assert person.coarse_map is None
    assert person.keypoint_xy is None
    assert person.num_points == 237


def test_no_instances():
    results = load()
    assert len(results["gt_densepose"]) == 0
    assert results["gt_densepose_boxes"].shape == (0, 4)


def test_problem_names_file_annotation_and_field(instance):
    instance["dp_V"][3] = 1.5
    with pytest.raises(AnnotationError, match=r"f\.json, annotation id 5, image id 9, field dp_V"):
        load(instance)


def test_problem_without_context_is_still_readable(instance):
    del instance["ann_id"], instance["dp_masks"]
    with pytest.raises(AnnotationError, match="<no annotation file>, field dp_masks: missing"):
        LoadDensePoseAnnotations().transform({"instances": [instance]})


def test_repr_shows_the_arguments():
    assert repr(LoadDensePoseAnnotations(with_keypoints=False)) == (
        "LoadDensePoseAnnotations(with_coarse_map=True, with_keypoints=False, num_keypoints=17, "
        "with_charts=True, with_vertices=False)"
    )
    assert repr(LoadImageFromFile()) == "LoadImageFromFile(backend_args=None)"


def test_picture_that_a_client_gives_is_taken_as_it_is():
    image = np.zeros((4, 6, 3), np.uint8)
    results = LoadImageFromFile().transform({"img": image, "img_path": "nowhere.jpg"})
    assert results["img"] is image
    assert results["img_shape"] == results["ori_shape"] == (4, 6)


def test_former_name_still_builds():
    assert TRANSFORMS.build({"type": "mmktn.LoadCheckedImage"}).transform.__func__ is (
        LoadImageFromFile.transform
    )
