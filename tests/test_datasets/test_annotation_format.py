"""PoseTrack, UltraPose and Chimps: files in their formats, written here, through their configs."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from pycocotools import mask as coco_mask

import mmktn.datasets
from mmktn.datasets.keypoint_order import coco_keypoint_order
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.formats.annotation_sets import FORMATS, find_format
from mmktn.formats.file_check import check_file
from mmktn.formats.masks import merge_dp_masks
from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from tests.fake_annotations import fake_coco_file

FOLDER = Path(__file__).parents[2] / "configs" / "_base_" / "datasets"
POSETRACK_NAMES = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def write(root, ann_file, data, image_folder):
    for image in data["images"]:
        path = root / image_folder / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((image["height"], image["width"], 3), np.uint8))
    (root / ann_file).parent.mkdir(parents=True, exist_ok=True)
    (root / ann_file).write_text(json.dumps(data))


def encoded(mask):
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def posetrack_file(seed):
    """Two evaluated frames and one that is not; keypoints in PoseTrack's order, one list empty."""
    data = fake_coco_file(3, persons=2, seed=seed)
    data["categories"][0]["keypoints"] = list(POSETRACK_NAMES)
    for number, image in enumerate(data["images"]):
        image |= {
            "file_name": f"images/bonn_mpii_{seed:06d}/{number:06d}.png", "vid_id": f"{seed:06d}",
            "frame_id": 10 * seed + number, "nframes": 3, "is_labeled": True,
            "ignore_regions_x": [[1, 9, 9, 1]], "ignore_regions_y": [[1, 1, 9, 9]],
        }  # fmt: skip
    data["images"][2]["has_no_densepose"] = True
    for record in data["annotations"]:
        record["track_id"] = 3
        if record["image_id"] == 3:
            for field in [name for name in record if name.startswith("dp_")]:
                del record[field]
    data["annotations"][1]["keypoints"] = []
    data["annotations"][1]["segmentation"] = []
    return data


def ultrapose_file(seed, points=2600):
    """Thousands of points per person, masks of 512 x 512."""
    rng = np.random.default_rng(seed)
    data = fake_coco_file(2, persons=1, seed=seed)
    for record in data["annotations"]:
        record["dp_x"], record["dp_y"] = rng.uniform(0, 256, (2, points)).round(2).tolist()
        record["dp_U"], record["dp_V"] = rng.random((2, points)).round(4).tolist()
        record["dp_I"] = rng.integers(1, 25, points).astype(float).tolist()
        masks = [np.zeros((512, 512), np.uint8) for _ in range(14)]
        masks[0][100:300, 200:400], masks[13][:50, 200:400] = 1, 1
        record["dp_masks"] = [encoded(mask) if mask.any() else [] for mask in masks]
    return data


def chimps_file(seed, *, in_list):
    """Three points an animal, one mask of the body, images by URL."""
    data = fake_coco_file(2, persons=1, seed=seed)
    for image in data["images"]:
        image["image_url"] = f"http://example.org/{image['file_name']}"
    del data["categories"][0]["keypoints"]
    for record in data["annotations"]:
        for field in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V"):
            record[field] = record[field][:3]
        for field in ("keypoints", "num_keypoints"):
            del record[field]
        mask = np.zeros((256, 256), np.uint8)
        mask[20:200, 50:90] = 1
        record["dp_masks"] = [encoded(mask)] if in_list else encoded(mask)
    return data


def load(name, root):
    config = Config.fromfile(FOLDER / name)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
        for dataset in loader.dataset.get("datasets", [loader.dataset]):
            dataset.data_root = str(root)
            for step in dataset.pipeline:
                step.update({k: "human" for k in ("surface",) if k in step})
                step.update({k: [(64, 48)] for k in ("scales",) if k in step})
    return config


def samples(loader, count=2):
    batches = itertools.islice(Runner.build_dataloader(loader, seed=0), count)
    return [sample for batch in batches for sample in batch["data_samples"]]


def test_posetrack(tmp_path):
    for split, seed in (("train", 1), ("val", 2)):
        write(tmp_path, f"densepose_only_posetrack_{split}2017.json", posetrack_file(seed), ".")
    config = load("densepose_posetrack.py", tmp_path)
    train = samples(config.train_dataloader)
    assert {sample.img_id for sample in train} <= {1, 2}
    assert all(sample.gt_instances.densepose.valid.any() for sample in train)
    # Not evaluated: the third frame, by its flag.
    assert [sample.img_id for sample in samples(config.val_dataloader, 9)] == [1, 2]
    file = tmp_path / "densepose_only_posetrack_val2017.json"
    truth = DensePoseTruth.from_file(file)
    assert truth.images[1].ignore_regions == ((1, 1, 9, 1, 9, 9, 1, 9),)
    assert list(check_file(str(file), str(tmp_path), file_format=FORMATS["posetrack"])) == []


def test_posetrack_keypoints_come_in_cocos_order(tmp_path):
    data = posetrack_file(1)
    rows = np.arange(51, dtype=float).reshape(17, 3)
    rows[:, 2] = 2
    data["annotations"][0]["keypoints"] = rows.ravel().tolist()
    write(tmp_path, "ann.json", data, ".")
    dataset = mmktn.datasets.DensePoseCocoDataset(
        ann_file=str(tmp_path / "ann.json"),
        data_prefix=dict(img=str(tmp_path)),
        annotation_format="posetrack",
    )
    first, second = dataset.get_data_info(0)["instances"]
    found = dict(zip(COCO_KEYPOINT_NAMES, first["keypoints"].reshape(17, 3), strict=True))
    assert found["nose"].tolist() == rows[0].tolist()
    assert found["left_ear"].tolist() == rows[3].tolist()
    assert found["right_ankle"].tolist() == rows[16].tolist()
    # PoseTrack's head_bottom and head_top have no counterpart, COCO's eyes no label.
    assert found["left_eye"].tolist() == found["right_eye"].tolist() == [0, 0, 0]
    assert "keypoints" not in second


def test_ultrapose(tmp_path):
    for split, folder, seed in (("train", "train", 1), ("valminusminival", "val", 2)):
        write(
            tmp_path,
            f"annotations/densepose_{split}2014.json",
            ultrapose_file(seed),
            f"{folder}2014",
        )
    config = load("densepose_ultrapose.py", tmp_path)
    sample, *_ = samples(config.train_dataloader, 1)
    (person,) = sample.gt_instances.densepose
    assert person.num_points == 2600
    assert {1, 14} == set(np.unique(person.coarse_map)) - {0}
    assert len(samples(config.val_dataloader, 9)) == 2
    file = str(tmp_path / "annotations/densepose_train2014.json")
    assert list(check_file(file, file_format=FORMATS["ultrapose"])) == []
    problem, *_ = check_file(file)
    assert problem.field == "dp_masks"
    assert "size [512, 512], not [256, 256]" in problem.message


@pytest.mark.parametrize("in_list", [False, True])
def test_chimps(tmp_path, in_list):
    file = "annotations/densepose_chimps_full_v2.json"
    write(tmp_path, file, chimps_file(1, in_list=in_list), "images")
    config = load("densepose_chimps.py", tmp_path)
    assert [sample.img_id for sample in samples(config.test_dataloader, 9)] == [1, 2]
    assert config.test_evaluator.min_threshold == 0.2
    images = str(tmp_path / "images")
    assert list(check_file(str(tmp_path / file), images, file_format=FORMATS["chimps"])) == []
    problem, *_ = check_file(str(tmp_path / file))
    assert problem.field == "dp_masks"
    truth = DensePoseTruth.from_file(tmp_path / file)
    assert [len(person.charts) for person in truth.all_persons()] == [3, 3]


def test_another_published_name_of_a_file_is_found(tmp_path):
    write(
        tmp_path,
        "annotations/densepose_chimps_densepose.json",
        chimps_file(1, in_list=False),
        "images",
    )
    config = load("densepose_chimps.py", tmp_path)
    assert len(samples(config.test_dataloader, 9)) == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("posetrack", "posetrack.net"),
        ("ultrapose", "MomoAILab/ultrapose"),
        ("chimps", "densepose_chimps_full_v2.json"),
    ],
)
def test_missing_files_say_where_they_come_from(tmp_path, name, place):
    config = load(f"densepose_{name}.py", tmp_path)
    with pytest.raises(FileNotFoundError, match=place):
        Runner.build_dataloader(config.val_dataloader, seed=0)


def test_check_tool_knows_the_sets(tmp_path, run_command):
    write(tmp_path, "chimps.json", chimps_file(1, in_list=False), "images")
    assert run_command("check", tmp_path / "chimps.json", "--format", "chimps")[0] == 0
    assert run_command("check", tmp_path / "chimps.json")[0] == 1


def test_masks_of_512_cells_are_read_at_the_centres_of_the_grid():
    form = FORMATS["ultrapose"]
    mask = np.zeros((512, 512), np.uint8)
    mask[101:103, 40:44] = 1  # cells 50 (second half) and 51 (first half) of 256
    merged = merge_dp_masks([encoded(mask), *[[]] * 13], form)
    assert np.argwhere(merged).tolist() == [[50, 20], [50, 21]]


def test_keypoint_orders():
    assert coco_keypoint_order(COCO_KEYPOINT_NAMES) is None
    assert coco_keypoint_order(None) is None
    assert coco_keypoint_order(POSETRACK_NAMES).tolist()[:5] == [0, -1, -1, 3, 4]
    with pytest.raises(ValueError, match="annotation_format must be one of"):
        find_format("lvis")
