"""Writing, drawing and measuring dense labels on two synthetic images."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmktn.apis import label_command as write_dense_labels
from mmktn.apis import load_model
from mmktn.datasets import DensePoseCocoDataset
from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
from mmktn.evaluation.functional.masks.mask_iou import segmentation_mask
from mmktn.formats.dense_labels import DenseLabelFolder, DenseLabelWriter
from mmktn.surface import load_surface
from mmktn.synthetic.dataset import generate_split
from mmktn.synthetic.sample import GeneratorOptions
from mmktn.synthetic.scene import SceneOptions
from mmktn.utils.setup_env import register_all_modules
from tests.tool_modules import tool_module

REPO = Path(__file__).resolve().parents[2]


dense_label_errors = tool_module("projects/ablations/dense_label_errors.py")
browse_dense_labels = tool_module("tools/misc/browse_dense_labels.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two images, their true labels in `truth`."""
    folder = tmp_path_factory.mktemp("synthetic")
    options = GeneratorOptions(scene=SceneOptions(size_hw=(120, 96), people=(1, 2)))
    generate_split(folder, "train", 2, options=options)
    register_all_modules(init_default_scope=False)
    with pytest.MonkeyPatch.context() as patch:
        command = ["write_dense_labels.py", "--from-truth", folder / "dense/train"]
        command += ["--ann-file", folder / "annotations/densepose_train.json"]
        patch.setattr(sys, "argv", [*map(str, command), "--out", str(folder / "truth")])
        write_dense_labels.main()
    return folder


@pytest.fixture(scope="module")
def teacher_labels(root):
    """Labels of an untrained teacher."""
    cfg = Config.fromfile(REPO / "configs/fcn/dp-fcn-teacher_r18_cpu_dp-synth.py")
    cfg.train_dataloader.dataset.data_root = str(root)
    cfg.dump(str(root / "teacher.py"))
    torch.manual_seed(0)
    torch.save({"state_dict": load_model(cfg).state_dict()}, root / "teacher.pth")
    done = write_dense_labels.label_with_teacher(
        argparse.Namespace(
            config=str(root / "teacher.py"),
            checkpoint=str(root / "teacher.pth"),
            out=root / "labels",
            split="train",
            scales=(0.75, 1.0, 1.25),
            no_flip=False,
            all_persons=False,
            batch_size=3,
            workers=0,
            device="cpu",
            max_persons=0,
        )
    )
    labels = DenseLabelFolder(root / "labels")
    assert done == len(labels) > 0
    return labels


def outline(root, record):
    """Segmentation of a person, clothes and hair included, on the label grid (256, 256)."""
    content = json.loads((root / "annotations/densepose_train.json").read_text())
    person = next(a for a in content["annotations"] if a["id"] == record["id"])
    image = next(i for i in content["images"] if i["id"] == person["image_id"])
    mask = segmentation_mask(
        person["segmentation"], ImageInfo(image["height"], image["width"]), "test"
    )
    x, y, w, h = record["bbox"]
    columns = (x + (np.arange(256) + 0.5) * w / 256).astype(int).clip(0, image["width"] - 1)
    rows = (y + (np.arange(256) + 0.5) * h / 256).astype(int).clip(0, image["height"] - 1)
    return mask[np.ix_(rows, columns)] > 0


def test_a_teacher_labels_the_outline_of_each_person(root, teacher_labels):
    truth = DenseLabelFolder(root / "truth")
    assert [r["id"] for r in teacher_labels.records] == [r["id"] for r in truth.records]
    for record in truth.records:
        assert record["bbox"] == next(
            r["bbox"] for r in teacher_labels.records if r["id"] == record["id"]
        )
        found, body = (folder.read(record["id"])[0] > 0 for folder in (teacher_labels, truth))
        # The crop has half the cells of the label grid per side, so the outlines differ by a cell.
        person = outline(root, record)
        assert (found & person).sum() / (found | person).sum() > 0.85
        # True labels are of the body under the clothes.
        assert (found & body).sum() / body.sum() > 0.9
    assert teacher_labels.source["flip"] is True
    assert teacher_labels.source["checkpoint"] == "teacher.pth"


def test_truth_against_itself_has_no_error(root):
    truth = DenseLabelFolder(root / "truth")
    found = dense_label_errors.measure(truth, truth, surface=load_surface("human"), stride=8)
    assert found["labelled"] == found["chart_right"] == found["AUC10"] == 1
    assert found["extra"] == found["mean_m"] == 0
    assert found["persons"] == len(truth)


def test_errors_of_labels_by_hand(root, tmp_path):
    """Half the cells of each person unlabelled: half of every area under the curve is lost."""
    truth = DenseLabelFolder(root / "truth")
    writer = DenseLabelWriter(tmp_path / "half", {})
    for record in truth.records:
        x, y, w, h = record["bbox"]
        dense = truth.read(record["id"])
        dense[:, :, ::2] = 0
        writer.add(record["id"], dense, image_id=1, box_xyxy=(x, y, x + w, y + h))
    writer.close()
    half = DenseLabelFolder(tmp_path / "half")
    found = dense_label_errors.measure(half, truth, surface=load_surface("human"), stride=1)
    assert found["labelled"] == pytest.approx(0.5, abs=0.01)
    assert found["AUC30"] == pytest.approx(found["labelled"])
    assert found["chart_right"] == 1
    assert "hands" in dense_label_errors.report(found)


def test_an_untrained_teacher_is_worse_than_the_truth(root, teacher_labels):
    found = dense_label_errors.measure(
        teacher_labels, DenseLabelFolder(root / "truth"),
        surface=load_surface("human"), stride=8, max_persons=1,
    )  # fmt: skip
    assert found["persons"] == 1
    assert found["AUC10"] < 0.5


def test_folders_without_common_persons_are_an_error(root, tmp_path):
    DenseLabelWriter(tmp_path, {}).close()
    with pytest.raises(ValueError, match="no person in common"):
        dense_label_errors.measure(
            DenseLabelFolder(tmp_path), DenseLabelFolder(root / "truth"), surface=None
        )


def test_picture_has_five_panels(root):
    truth = DenseLabelFolder(root / "truth")
    image = np.full((120, 96, 3), 80, np.uint8)
    records = [r for r in truth.records if r["image_id"] == truth.records[0]["image_id"]]
    drawn = browse_dense_labels.draw_image(image, truth, records)
    assert drawn.shape[1] >= 5 * 96
    assert (drawn[..., 0] != drawn[..., 1]).any()


def test_student_reads_what_the_teacher_wrote(root, teacher_labels):
    built = DensePoseCocoDataset(
        ann_file=str(root / "annotations/densepose_train.json"),
        data_prefix={"img": str(root / "train")},
        dense_labels=str(root / "labels"),
        pipeline=[
            {"type": "mmktn.LoadImageFromFile"},
            {"type": "mmdet.LoadAnnotations", "with_bbox": True},
            {"type": "mmktn.LoadDensePoseAnnotations"},
            {"type": "mmktn.PackDensePoseInputs"},
        ],
    )
    people = built[0]["data_samples"].gt_instances.densepose
    assert all(item.dense_labels is not None for item in people)


def test_errors_are_one_line(root, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["write_dense_labels.py", "none.py", "none.pth", "--out", str(root / "x")]
    )
    assert write_dense_labels.main() == 1
    assert "label: config not found: none.py" in capsys.readouterr().err
    ann = root / "annotations/densepose_train.json"
    monkeypatch.setattr(
        sys, "argv",
        ["write_dense_labels.py", "--from-truth", str(root), "--ann-file", str(ann),
         "--out", str(root / "y")],
    )  # fmt: skip
    assert write_dense_labels.main() == 1
    assert "label: dense truth of image 1: no file " in capsys.readouterr().err
    assert json.loads(ann.read_text())["annotations"]
