"""Pose of given boxes: the Python interface, the pictures and the demo."""

import json
import runpy
import shutil
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, DefaultScope

from mmktn.apis.box_sources import boxes_of_detector
from mmktn.apis.image_inputs import list_inputs
from mmktn.apis.pose_estimator import PoseEstimator
from mmktn.stip.pictures import draw_skeletons, overlay_map, stip_overview
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
    with pytest.raises(ValueError, match=r"keypoint 14 is not among 0\.\.13"):
        stip_overview(crop, maps, keypoint_names=estimator.keypoint_names, keypoints=[14])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([5, 5, 5, 9], r"box 1 .*has no area"),
        ([5, 5, np.nan, 9], r"box 1 .*not finite"),
        ([200, 5, 210, 9], r"box 1 .*outside its picture of 160 x 120 pixels"),
    ],
)
def test_bad_boxes_are_named(estimator, box, message):
    with pytest.raises(ValueError, match=message):
        estimator.predict(np.zeros((120, 160, 3), np.uint8), [[0, 0, 10, 10], box])


@pytest.mark.parametrize("shape", [(9, 9, 4), (0, 9, 3), (9,)])
def test_arrays_that_are_no_pictures_are_named(estimator, shape):
    with pytest.raises(ValueError, match="image_bgr is an array of"):
        estimator.predict(np.zeros(shape, np.uint8), [[0, 0, 5, 5]])


def test_boxes_are_clipped(estimator):
    found = estimator.predict(np.zeros((40, 60, 3), np.uint8), [[-1e5, -1e5, 1e5, 1e5]])
    assert found.boxes_xyxy.tolist() == [[0, 0, 60, 40]]


def test_demo_goes_on_after_a_picture_without_boxes(crowd, tmp_path, capsys):
    folder = tmp_path / "in"
    shutil.copytree(crowd / "images", folder)
    shutil.copy(folder / "0.png", folder / "00_unknown.png")
    (folder / "000.jpg").mkdir()
    arguments = [str(folder), str(CONFIG), "none", "--boxes", str(crowd / "crowd.json")]
    arguments += ["--out-dir", str(tmp_path / "out"), "--device", "cpu"]
    assert DEMO["main"](arguments) == 1
    shown = capsys.readouterr()
    assert "000.jpg: skipped, is a folder" in shown.out
    assert f"00_unknown.png: skipped, {crowd / 'crowd.json'} has no image of the name" in shown.out
    assert "1.png: 2 persons" in shown.out
    assert "2 of 4 pictures were skipped" in shown.err
    assert DEMO["main"](arguments) == 1
    assert "exist; write to another folder or pass --overwrite" in capsys.readouterr().err


def test_config_of_another_kind_is_refused():
    name = ROOT / "configs/densepose/densepose-rcnn_r50_fpn_s1x_dp-coco.py"
    with pytest.raises(ValueError, match="not a top-down pose config"):
        PoseEstimator(name)


@pytest.mark.parametrize("name", [CONFIG.name, CONFIG.name.replace("stip_", "td-hm_")])
def test_head_of_another_number_of_keypoints_is_refused(name):
    with pytest.raises(
        ValueError,
        match=r"crowdpose has 14 keypoints but the head has out_channels=17 \(config keys "
        r"test_dataloader\.dataset and model\.head\.out_channels\); .*out_channels=14",
    ):
        PoseEstimator(
            CONFIG.with_name(name), device="cpu", cfg_options={"model.head.out_channels": 17}
        )


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][1].pop("bbox"), "entry 1 of {path} has no 'bbox'; add"),
        (
            lambda c: c["annotations"][0].update(bbox=None),
            "entry 0 of {path}: bbox None is not x, y, width, height: write four finite",
        ),
        (
            lambda c: c["annotations"][2].update(image_id="1"),
            "entry 2 of {path} is for image '1', which {path} lacks; there ids are numbers",
        ),
        (
            lambda c: c["annotations"][2].update(image_id=9),
            "entry 2 of {path} is for image 9, which {path} lacks; use the detections of",
        ),
        (lambda c: c["annotations"][3].pop("image_id"), "entry 3 of {path} has no 'image_i"),
        (lambda c: c["annotations"][3].update(score="high"), "score 'high' is not a number"),
        (lambda c: c["images"][0].pop("id"), "image 0 of {path} has no 'id'; add it"),
        (lambda c: c.pop("images"), "{path}: no list 'images'; a COCO annotation file is"),
        (lambda c: c.update(annotations=None), "{path}: 'annotations' is None, not a list"),
    ],
)
def test_demo_names_what_is_wrong_in_the_box_file(change, message, crowd, tmp_path, capsys):
    content = json.loads((crowd / "crowd.json").read_text())
    change(content)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(content))
    assert DEMO["main"]([str(crowd / "images"), str(CONFIG), "none", "--boxes", str(path)]) == 1
    text = capsys.readouterr().err
    assert text.startswith("pose_demo: ")
    assert message.format(path=path) in text
    assert text.count("\n") == 1


def test_demo_names_missing_and_broken_box_files(crowd, tmp_path, capsys):
    arguments = [str(crowd / "images"), str(CONFIG), "none", "--boxes"]
    path = tmp_path / "boxes.json"
    assert DEMO["main"]([*arguments, str(path)]) == 1
    assert capsys.readouterr().err == f"pose_demo: --boxes: no file {path}\n"
    path.write_text("[{")
    assert DEMO["main"]([*arguments, str(path)]) == 1
    assert f"pose_demo: --boxes: {path}: not a complete JSON file" in capsys.readouterr().err
    path.write_text("[]")
    missing = tmp_path / "images.json"
    assert DEMO["main"]([*arguments, str(path), "--images-json", str(missing)]) == 1
    assert capsys.readouterr().err == f"pose_demo: --images-json: no file {missing}\n"


@pytest.fixture
def stock_detector(tmp_path):
    """Config with mmdet's unprefixed names, a small random network that takes all for people.

    A base of the form ``mmdet::...`` would write a scope into every part.
    """
    base = Path(mmdet.__file__).parent / ".mim/configs/faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
    config, checkpoint = tmp_path / "detector.py", tmp_path / "detector.pth"
    config.write_text(
        f"""
_base_ = {str(base)!r}
"""
        """
model = dict(
    backbone=dict(depth=18, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=32),
    ),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=20), rcnn=dict(max_per_img=3)),
)
_base_.test_pipeline[1].scale = (160, 120)
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
"""
    )
    cfg = Config.fromfile(str(config))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(cfg.model)
        model.init_weights()
    model.roi_head.bbox_head.fc_cls.bias.data[0] = 5.0
    torch.save({"state_dict": model.state_dict()}, checkpoint)
    return str(config), str(checkpoint)


def test_demo_takes_the_boxes_of_a_stock_detector(stock_detector, crowd, tmp_path, monkeypatch):
    from mmdet.apis import inference_detector, init_detector
    from mmdet.datasets.transforms import PackDetInputs

    with DefaultScope.overwrite_default_scope("mmdet"):
        detector = init_detector(*stock_detector, device="cpu")
        last = detector.cfg.test_dataloader.dataset.pipeline[-1]
        assert (last["type"], "_scope_" in last) == ("PackDetInputs", False)
        image = cv2.imread(str(crowd / "images/1.png"))
        expected = inference_detector(detector, image).pred_instances
    built = []
    plain_init = PackDetInputs.__init__
    monkeypatch.setattr(
        PackDetInputs,
        "__init__",
        lambda self, *a, **k: (built.append(1), plain_init(self, *a, **k))[1],
    )
    arguments = [str(crowd / "images"), str(CONFIG), "none", "--detector", *stock_detector]
    arguments += ["--box-thr", "0.5", "--out-dir", str(tmp_path / "out"), "--device", "cpu"]
    assert DEMO["main"](arguments) == 0
    persons = json.loads((tmp_path / "out/1_pose.json").read_text())
    assert len(persons) == 3
    np.testing.assert_allclose(
        [person["bbox_xyxy"] for person in persons], expected.bboxes.numpy(), rtol=1e-5
    )
    np.testing.assert_allclose(
        [person["score"] for person in persons], expected.scores.numpy(), rtol=1e-5
    )
    assert len(built) == 1  # one pipeline for two images
    assert (tmp_path / "out/0_pose.png").is_file()


def test_detector_and_pose_model_do_not_share_a_scope(stock_detector, crowd):
    find = boxes_of_detector(*stock_detector, device="cpu", threshold=0.5)
    image = cv2.imread(str(crowd / "images/0.png"))
    (entry,) = list_inputs(image)
    first = find(entry, image)
    estimator = PoseEstimator(CONFIG, device="cpu")
    assert DefaultScope.get_current_instance().scope_name == "mmpose"
    boxes, scores = find(entry, image)
    np.testing.assert_array_equal(boxes, first[0])
    np.testing.assert_array_equal(scores, first[1])
    assert DefaultScope.get_current_instance().scope_name == "mmpose"
    assert estimator.predict(image, boxes).keypoints.shape == (3, 14, 2)
