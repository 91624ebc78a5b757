"""Pose of given boxes: the Python interface, the pictures and the demo."""

import json
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmktn.apis.pose_estimator import PoseEstimator, checked_boxes
from mmktn.visualization.pose_drawing import draw_skeletons, overlay_map, stip_overview
from tests.test_stip.tiny_crowd import write_crowd

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py"
DEMO = runpy.run_path(str(ROOT / "demo/pose_demo.py"))


@pytest.fixture(scope="module")
def estimator():
    torch.manual_seed(0)
    return PoseEstimator(CONFIG, device="cpu")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    write_crowd(folder, images=2)
    return folder


def test_poses_are_those_of_the_models_own_test_step(estimator, crowd):
    image = cv2.imread(str(crowd / "images/0.png"))
    boxes = np.array([[15, 10, 80, 110], [60, 10, 125, 110]], np.float32)
    found = estimator.predict(image, boxes, batch_size=1)
    cfg = Config.fromfile(str(CONFIG)).test_dataloader
    cfg.dataset.data_root, cfg.dataset.ann_file = "", str(crowd / "crowd.json")
    cfg.dataset.data_prefix.img = str(crowd / "images")
    from mmpose.registry import DATASETS

    dataset = DATASETS.build(cfg.dataset)
    with torch.no_grad():
        sample = estimator.model.test_step(pseudo_collate([dataset[0]]))[0]
    np.testing.assert_allclose(found.keypoints[0], sample.pred_instances.keypoints[0], rtol=1e-5)
    assert found.keypoint_scores.shape == (2, 14)
    assert estimator.keypoint_names[-2:] == ["top_head", "neck"]


def test_no_box_gives_no_pose(estimator):
    found = estimator.predict(np.zeros((40, 50, 3), np.uint8), np.zeros((0, 4)))
    assert found.keypoints.shape == (0, 14, 2)


def test_maps_of_a_crop(estimator, crowd):
    image = cv2.imread(str(crowd / "images/0.png"))
    crop, maps = estimator.stip_maps(image, np.array([15, 10, 80, 110]))
    assert crop.shape == (128, 96, 3)
    shapes = {name: value.shape for name, value in maps.items()}
    big, small = (14, 64, 48), (14, 32, 24)
    assert shapes == {
        "final": big, "initial": big, "spatial": big, "kernel": big, "transfer_matrix": small,
        "graph": (1, 32, 24), "mask": (1, 64, 48), "semantics": (14,),
    }  # fmt: skip
    picture = stip_overview(crop, maps, keypoint_names=estimator.keypoint_names, keypoints=[0, 12])
    assert picture.dtype == np.uint8
    with pytest.raises(ValueError, match=r"key-point 14 is not among 0\.\.13"):
        stip_overview(crop, maps, keypoint_names=estimator.keypoint_names, keypoints=[14])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([5, 5, 5, 9], r"box 1 .*is empty"),
        ([5, 5, np.nan, 9], r"box 1 .*is empty"),
        ([200, 5, 210, 9], r"box 1 .*outside its image of 160 x 120 pixels"),
    ],
)
def test_bad_boxes_are_named(box, message):
    with pytest.raises(ValueError, match=message):
        checked_boxes([[0, 0, 10, 10], box], (120, 160))


def test_config_of_another_kind_is_refused():
    name = ROOT / "configs/densepose/densepose-rcnn_r50_fpn_s1x_dp-coco.py"
    with pytest.raises(ValueError, match="not a top-down pose config"):
        PoseEstimator(name)


def test_skeleton_is_drawn_where_both_ends_are_found():
    image = np.zeros((40, 40, 3), np.uint8)
    points = np.array([[[5, 20], [35, 20], [20, 5]]])
    scores = np.array([[0.9, 0.8, 0.1]])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    drawn = draw_skeletons(
        image, points, scores, links=[(0, 1), (1, 2)], link_colours=colours[:2],
        keypoint_colours=colours,
    )  # fmt: skip
    red, green, blue = drawn[20, 20].tolist()  # the line is smoothed
    assert red > 200
    assert green == blue == 0
    assert drawn[20, 35].tolist() == [0, 255, 0]
    assert not drawn[:12].any()
    assert not image.any()


def test_overlay_runs_from_the_darkest_to_the_brightest_colour():
    crop, values = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4))
    values[1, 2] = 7.0
    picture = overlay_map(crop, values, alpha=1.0).astype(int).sum(-1)
    assert picture.argmax() == 6
    assert picture.min() == picture[3, 0] < 30
    assert overlay_map(crop, np.full((2, 2), 3.0)).shape == (4, 4, 3)


def test_demo_writes_pictures_results_and_maps(crowd, tmp_path, capsys):
    arguments = [str(crowd / "images"), str(CONFIG), "none", "--boxes", str(crowd / "crowd.json")]
    arguments += ["--maps", "--out-dir", str(tmp_path), "--device", "cpu"]
    assert DEMO["main"](arguments) == 0
    assert "0.png: 2 persons" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"{i}_{end}"
        for i in range(2)
        for end in ("pose.png", "pose.json", "maps_0.png", "maps_1.png")
    }
    persons = json.loads((tmp_path / "0_pose.json").read_text())
    assert np.array([p["keypoints"] for p in persons]).shape == (2, 14, 3)
    assert persons[0]["bbox_xyxy"] == [15, 10, 80, 110]


def test_demo_names_detections_that_do_not_belong(crowd, tmp_path, capsys):
    path = tmp_path / "detections.json"
    path.write_text(json.dumps([{"image_id": 9, "bbox": [0, 0, 5, 5], "score": 1.0}]))
    arguments = [str(crowd / "images"), str(CONFIG), "none", "--boxes", str(path)]
    assert DEMO["main"](arguments) == 1
    assert "give --images-json" in capsys.readouterr().err
    assert DEMO["main"]([*arguments, "--images-json", str(crowd / "crowd.json")]) == 1
    assert "entry 0" in capsys.readouterr().err
