"""Vertices of annotations: checked, loaded, flipped; several categories of a file."""

import json

import numpy as np
import pytest
import torch

from mmktn.datasets import DensePoseCocoDataset
from mmktn.datasets.transforms import LoadDensePoseAnnotations
from mmktn.formats.annotation_checks import file_problems, point_problems
from mmktn.formats.file_check import categories_of, check_file
from mmktn.structures import DensePoseAnnotation, FlipRules
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP

ANIMAL = {
    "dp_x": [10.0, 20.0],
    "dp_y": [30.0, 40.0],
    "dp_vertex": [3, -1],
    "ref_model": "cat_7",
}


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({}, None, None),
        ({"dp_vertex": [3, 7]}, "dp_vertex", "cat_7 has no vertex 7"),
        ({"dp_vertex": [3, -2]}, "dp_vertex", "outside -1"),
        ({"dp_vertex": [3.5, 1]}, "dp_vertex", "whole vertex"),
        ({"dp_vertex": [3]}, "dp_vertex", "1 values"),
        ({"dp_vertex": "many"}, "dp_vertex", "not a list"),
        ({"dp_vertex": None}, "dp_vertex", "missing"),
        ({"ref_model": None}, "ref_model", "missing"),
        ({"ref_model": "../cat"}, "ref_model", "no name of a mesh"),
        ({"ref_model": 5}, "ref_model", "no name of a mesh"),
        ({"dp_x": None}, "dp_x", "missing"),
        ({"dp_I": [1, 2]}, "dp_U", "missing"),
    ],
)
def test_the_checker_knows_vertices(change, field, why):
    found = list(point_problems(ANIMAL | change))
    if field is None:
        assert not found
    else:
        assert any(name == field and why in text for name, text in found), found


def instance(**fields):
    return {"bbox": [0.0, 0.0, 64.0, 64.0], "ann_id": 1, **fields}


def loaded(fields, **options):
    step = LoadDensePoseAnnotations(with_keypoints=False, **options)
    return step({"instances": [instance(**fields)]})["gt_densepose"][0]


def test_vertices_are_loaded_on_request():
    item = loaded(ANIMAL, with_vertices=True)
    assert (item.mesh, item.vertices.tolist()) == ("cat_7", [3, -1])
    assert torch.equal(item.vertex_xy * 256, torch.tensor([[10.0, 30], [20, 40]]))
    assert item.num_points == 0
    assert item.valid
    assert loaded(ANIMAL).vertices is None


def test_charts_may_be_left_out():
    charts = {"dp_I": [1, 2], "dp_U": [0.1, 0.2], "dp_V": [0.3, 0.4]}
    both = loaded(ANIMAL | charts, with_vertices=True)
    assert both.num_points == both.num_vertices == 2
    assert loaded(ANIMAL | charts, with_vertices=True, with_charts=False).num_points == 0


def rules(**mirrors):
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None, mirrors)


def test_a_flip_mirrors_vertices_and_keeps_unknown_ones():
    item = loaded(ANIMAL, with_vertices=True)
    table = np.array([6, 5, 4, 2, 3, 1, 0])
    flipped = item.flip(rules(cat_7=table))
    assert flipped.vertices.tolist() == [2, -1]
    np.testing.assert_allclose(flipped.vertex_xy[:, 0] * 256, [246, 236])
    with pytest.raises(ValueError, match="mesh_folder"):
        item.flip(rules())
    with pytest.raises(ValueError, match="cat_7 has 2 vertices"):
        item.flip(rules(cat_7=table[:2]))


def test_vertices_follow_boxes_and_warps():
    item = loaded(ANIMAL, with_vertices=True)
    old, new = torch.tensor([0.0, 0, 64, 64]), torch.tensor([0.0, 0, 128, 64])
    rebased = item.rebase(old, new)
    np.testing.assert_allclose(rebased.vertex_xy[:, 0], item.vertex_xy[:, 0] / 2)
    turned = item.warp(torch.tensor([[0.0, -1, 64], [1, 0, 0]]), old, old)
    expected = torch.stack([1 - item.vertex_xy[:, 1], item.vertex_xy[:, 0]], dim=1)
    np.testing.assert_allclose(turned.vertex_xy, expected, atol=1e-6)


def test_vertices_without_a_mesh_are_refused():
    with pytest.raises(ValueError, match="all or none"):
        DensePoseAnnotation(
            point_xy=torch.zeros(0, 2),
            point_charts=torch.zeros(0, dtype=torch.int64),
            point_uv=torch.zeros(0, 2),
            vertices=torch.zeros(1, dtype=torch.int64),
        )


@pytest.fixture
def animals(tmp_path):
    def record(number, category):
        return {
            "id": number, "image_id": 1, "category_id": category, "bbox": [1, 1, 20, 20],
            "area": 400, "iscrowd": 0, "segmentation": [[1, 1, 20, 1, 20, 20]], **ANIMAL,
        }  # fmt: skip

    data = {
        "images": [{"id": 1, "height": 50, "width": 60,
                    "coco_url": "http://images.cocodataset.org/train2017/000000000001.jpg"}],
        "categories": [{"id": 225, "name": "cat"}, {"id": 76, "name": "bear"},
                       {"id": 3, "name": "car"}],
        "annotations": [record(1, 225), record(2, 76), record(3, 3)],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(data))
    return tmp_path


def dataset(folder, **options):
    return DensePoseCocoDataset(
        data_root=str(folder), ann_file="a.json", data_prefix={"img": ""}, pipeline=[], **options
    )


def test_categories_of_a_file_are_classes_of_the_model(animals):
    found = dataset(animals, categories={"bear": "bear", "cat": "cat"})
    assert found.metainfo["classes"] == ("bear", "cat")
    labels = {i["ann_id"]: i["bbox_label"] for i in found.get_data_info(0)["instances"]}
    assert labels == {1: 1, 2: 0}
    assert found.get_data_info(0)["img_path"].endswith("000000000001.jpg")


def test_several_categories_may_be_one_class(animals):
    found = dataset(animals, categories={"bear": "animal", "cat": "animal"})
    assert found.metainfo["classes"] == ("animal",)
    assert {i["bbox_label"] for i in found.get_data_info(0)["instances"]} == {0}


def test_a_file_without_the_categories_is_refused(animals):
    with pytest.raises(ValueError, match="'person'"):
        dataset(animals)
    with pytest.raises(ValueError, match="no classes of metainfo"):
        dataset(animals, categories={"cat": "cat"}, metainfo={"classes": ("dog",)})
    content = json.loads((animals / "a.json").read_text())
    assert any("'dog'" in str(p) for p in file_problems(content, "a", categories=["dog"]))


def test_the_checker_takes_the_categories_that_have_meshes(animals):
    assert not list(check_file(str(animals / "a.json")))
    content = json.loads((animals / "a.json").read_text())
    assert categories_of(content) == ("cat", "bear", "car")
    content["categories"].append({"id": 9, "name": "person"})
    assert categories_of(content) == ("person",)
    content["annotations"][0]["dp_vertex"] = [3, 8]
    (animals / "b.json").write_text(json.dumps(content))
    assert any("no vertex 8" in str(p) for p in check_file(str(animals / "b.json")))
