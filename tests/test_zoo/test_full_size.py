"""A model of full size from its name to a model in memory, by way of a server that cuts."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from demo import image_demo
from mmktn.apis import DensePoseInferencer, test_command
from mmktn.apis.model_loading import build_model, read_checkpoint
from tests.reference_files import COPIES

ROOT = Path(__file__).parents[2]
NAME = "densepose-rcnn-legacy_r50_fpn_s1x"
FILE = "/densepose/densepose_rcnn_R_50_FPN_s1x_legacy/164832157/model_final_d366fa.pkl"
KEYS = COPIES / "keys" / "d2_densepose_rcnn_R_50_FPN_s1x_legacy.tsv"
ADDRESS = f"https://dl.fbaipublicfiles.com{FILE}"
BIAS = "roi_heads.box_predictor.cls_score.bias"


def official_file():
    """A file of detectron2's model zoo: all names and shapes of the model, half-width numbers."""
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(1 << 16) * 0.01).astype(np.float16)
    weights = {}
    for line in KEYS.read_text().splitlines():
        name, shape = line.split("\t")
        size = [int(n) for n in shape.split("x")]
        weights[name] = np.resize(noise, size)
        if name.endswith(("running_var", "norm.weight")):
            weights[name] = np.ones(size, np.float16)
    # Everybody is a person.
    weights[BIAS] = np.array([3, -3], np.float16)
    return pickle.dumps({"model": weights, "__author__": "a test"}, protocol=4)


@pytest.fixture(scope="module")
def body():
    return official_file()


@pytest.fixture
def mirror(server, body, monkeypatch):
    """The server stands in for the publisher's."""
    server.files[FILE] = body
    server.marks[FILE] = '"v1"'
    monkeypatch.setenv("MMKTN_MIRROR", server.address)
    return server


def test_a_name_becomes_a_model(mirror, body, monkeypatch, capsys):
    assert len(body) > 100_000_000
    mirror.cut = {FILE: 1}
    inferencer = DensePoseInferencer(NAME, device="cpu")
    assert mirror.ranges == [None, f"bytes={len(body) // 2}-"]
    said = capsys.readouterr().err
    assert "licence CC BY-SA 3.0" in said
    assert "is trusted from now on" in said
    assert inferencer.model.roi_head.bbox_head.fc_cls.bias.tolist() == [3.0, -3.0]

    # From here on nothing is fetched or converted any more.
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    monkeypatch.delenv("MMKTN_MIRROR")
    by_address = read_checkpoint(ADDRESS)
    assert by_address["meta"]["model"] == NAME
    assert torch.equal(
        by_address["state_dict"]["roi_head.bbox_head.fc_cls.bias"], torch.tensor([3.0, -3.0])
    )
    test_command.check_checkpoint(build_model(inferencer.model.cfg), f"mmktn://{NAME}")
    assert len(mirror.asked) == 2


def test_the_model_of_the_package_is_the_default(tmp_path):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((64, 64, 3), np.uint8))
    assert image_demo.main([str(photo), "--out-dir", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]
