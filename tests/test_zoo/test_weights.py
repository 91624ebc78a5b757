"""Weights by name: fetched, read, trusted, converted once; and what is said when it goes wrong."""

import io
import json
import pickle
import threading
from pathlib import Path

import mmpose
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as host
from torch import nn

from mmktn.apis import DensePoseInferencer, open_inferencer, train_command
from mmktn.apis.model_loading import read_checkpoint
from mmktn.apis.pose_estimator import PoseEstimator
from mmktn.checkpoints import model_shapes
from mmktn.utils.checkpoint_files import load_safely
from mmktn.utils.config_path import read_config
from mmktn.utils.user_error import UserError
from mmktn.zoo import conversion
from mmktn.zoo import named_weights as zoo
from mmktn.zoo.fetching import obtain
from mmktn.zoo.named_weights import resolve_names, state_of, weights
from mmktn.zoo.table import config_file, find_model
from mmktn.zoo.trust import lock_file, trusted_sha256
from tests.test_checkpoints.official import official_weights

ROOT = Path(__file__).parents[2]
CONFIG = "td-hm_hrnet-w16n_cpu_synthcrowd-128x96"


@pytest.fixture(scope="module")
def state():
    """Weights of a small pose model, under the names of old versions of mmpose."""
    torch.manual_seed(0)
    shapes = model_shapes(read_config(f"mmktn::{CONFIG}.py"))
    return {
        name.replace("head.", "keypoint_head."): torch.randn(shape) if shape else torch.tensor(3)
        for name, shape in shapes.items()
    }


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def small(server, fill_table, state):
    """A table of one small model, which the server has."""
    server.files["/small.pth"] = saved({"state_dict": state})
    fill_table(
        {
            "name": "small",
            "aliases": ["SMALL_official"],
            "kind": "keypoints",
            "config": CONFIG,
            "form": "mmpose",
            "address": f"{server.address}/small.pth",
        },
        {
            "name": "by-hand",
            "kind": "keypoints",
            "config": CONFIG,
            "form": "mmpose",
            "file": "folder/hand.pth",
            "get": "the authors",
        },
        {
            "name": "later",
            "kind": "charts",
            "config": "no_such_config",
            "form": "detectron2",
            "address": f"{server.address}/later.pkl",
        },
        {
            "name": "ours",
            "kind": "keypoints",
            "config": CONFIG,
            "form": "mmktn",
            "file": "ours.pth",
        },
    )
    return server


def test_weights_are_fetched_converted_and_found_again(small, state, capsys, monkeypatch):
    path = weights("SMALL-official")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == [
        "small",
        "fetching",
        "converting",
        "small",
    ]
    assert "licence CC0 (a page)" in lines[0]
    assert "nobody published the hash" in lines[-1]
    found = load_safely(path)
    assert found["meta"]["source"].endswith("/small.pth")
    assert found["meta"]["licence"] == "CC0"
    assert all(
        torch.equal(found["state_dict"][name.replace("keypoint_head.", "head.")], weight)
        for name, weight in state.items()
    )
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    assert weights("small") == path
    assert capsys.readouterr().err == ""
    assert small.asked == ["/small.pth"]
    assert state_of(find_model("small")) == "ready"


def test_what_was_trusted_is_written_down_and_compared(small, home, state):
    first = weights("small")
    entry = json.loads(lock_file().read_text())[f"{small.address}/small.pth"]
    assert entry["sha256"] == trusted_sha256(find_model("small"))
    assert entry["bytes"] == len(small.files["/small.pth"])
    # Another converter, and the file has to be fetched once more.
    first.unlink()
    (found,) = home.rglob("small.pth")
    found.unlink()
    small.files["/small.pth"] = saved({"state_dict": {k: v + 1 for k, v in state.items()}})
    with pytest.raises(UserError, match=r"not the file that was used first .* delete the entry"):
        weights("small")
    assert not first.exists()


def test_processes_that_start_together_fetch_and_convert_once(small, monkeypatch, capsys):
    made, found = [], []
    convert = conversion.convert

    def counted(*arguments):
        made.append(arguments)
        convert(*arguments)

    monkeypatch.setattr(conversion, "convert", counted)
    threads = [threading.Thread(target=lambda: found.append(weights("small"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 3
    assert len(made) == 1
    assert small.asked == ["/small.pth"]
    assert capsys.readouterr().err.count("nobody published the hash") == 1


def test_another_version_converts_anew_without_fetching(small, monkeypatch):
    first = weights("small")
    monkeypatch.setattr(zoo, "converter_version", lambda config: "other")
    second = weights("small")
    assert first != second
    assert first.read_bytes() == second.read_bytes()
    assert small.asked == ["/small.pth"]


def test_the_version_follows_the_sources_and_the_config(monkeypatch, tmp_path):
    before = zoo.converter_version.__wrapped__("a")
    assert before == zoo.converter_version.__wrapped__("a")
    assert before != zoo.converter_version.__wrapped__("b")
    (tmp_path / "rules.py").write_text("changed")
    monkeypatch.setattr(zoo, "_PACKAGE", tmp_path)
    monkeypatch.setattr(zoo, "_CONVERTER", ("rules.py",))
    assert before != zoo.converter_version.__wrapped__("a")


@pytest.mark.parametrize(
    "name", [f"td-hm_hrnet-{w}-256x192" for w in ("w32_crowdpose", "w48_coco")]
)
def test_configs_of_baselines_build_the_networks_of_mmpose(name):
    """What mmpose trained, under its own names and shapes, has its place in our config's model."""
    model = find_model(name)
    folder = Path(mmpose.__file__).parent / ".mim" / "configs"
    (theirs,) = folder.rglob(f"{model.aliases[0]}.py")
    assert model_shapes(Config.fromfile(str(theirs))) == model_shapes(
        read_config(str(config_file(model)))
    )


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("densepose-rcnn-dl_r50_fpn_s1x", "d2_densepose_rcnn_R_50_FPN_DL_s1x"),
        ("ktn2_r50_fpn_s1x", "ktnv2_r50"),
        (
            "stip_hrnet-w32_crowdpose-256x192",
            "crowdpose_stipnet_stipnet_w32_256x192_adam_lr1e-3",
        ),
    ],
)
def test_rows_of_every_form_name_the_config_that_their_file_fills(name, keys):
    """By the complete list of the published file's names and shapes, without its numbers."""
    model = find_model(name)
    config = config_file(model)
    state, dropped = conversion._translate(model, official_weights(keys), config)
    shapes = model_shapes(read_config(str(config)))
    assert {n for n in shapes if n not in state and not n.endswith("num_batches_tracked")} == set()
    assert all(dropped.values())


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (Path(self.marker), "code ran")


@pytest.mark.parametrize("form", ["pickle", "zip", "text"])
def test_a_file_that_is_no_plain_checkpoint_is_neither_run_nor_trusted_nor_kept(
    small, home, tmp_path, form
):
    evil = {"state_dict": {"a": Payload(tmp_path / "marker")}}
    small.files["/small.pth"] = {
        "pickle": pickle.dumps(evil),
        "zip": saved(evil),
        "text": b"an error page that says 200",
    }[form]
    with pytest.raises(UserError, match=r"small: .*it is not trusted, and not kept"):
        weights("small")
    assert not (tmp_path / "marker").exists()
    assert not lock_file().exists()
    assert [p for p in home.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.pop("backbone.conv1.weight"), r"it lacks backbone\.conv1\.weight \(1 such"),
        (lambda s: s.update(extra=torch.zeros(1)), "extra has no place in it"),
        (
            lambda s: s.update({"backbone.conv1.weight": torch.zeros(2)}),
            r"backbone\.conv1\.weight has shape \(2,\), the model \(",
        ),
    ],
)
def test_a_file_of_another_model_is_not_trusted(small, state, change, match):
    changed = dict(state)
    change(changed)
    small.files["/small.pth"] = saved({"state_dict": changed})
    with pytest.raises(UserError, match=rf"does not fill the model of {CONFIG}\.py: {match}"):
        weights("small")
    assert not lock_file().exists()


def test_what_a_program_cannot_fetch_comes_from_a_folder(small, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"Get hand\.pth from the authors, set MMKTN_MIRROR"):
        weights("by-hand")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hand.pth").write_bytes(small.files["/small.pth"])
    monkeypatch.setenv("MMKTN_MIRROR", str(tmp_path / "mine"))
    assert weights("by-hand").name == "by-hand.pth"
    assert (tmp_path / "mine" / "hand.pth").is_file()
    (tmp_path / "mine" / "hand.pth").write_bytes(b"rubbish")
    weights("by-hand")  # converted before
    with pytest.raises(UserError, match="not the file that was used first"):
        obtain(find_model("by-hand"))


def test_models_without_config_or_file_say_so(small):
    with pytest.raises(UserError, match=r"later is not yet runnable here: .* no_such_config\.py"):
        weights("later")
    with pytest.raises(UserError, match=r"ours: this mmktn comes without its weights"):
        weights("ours")
    assert state_of(find_model("later")) == "not yet runnable here"
    assert state_of(find_model("ours")) == "not in this package yet"
    assert small.asked == []


def test_a_model_of_the_package_is_taken_from_it(small, monkeypatch, tmp_path):
    monkeypatch.setattr("mmktn.zoo.table._SHIPPED", tmp_path)
    (tmp_path / "ours.pth").write_bytes(b"x")
    assert weights("ours") == tmp_path / "ours.pth"
    assert state_of(find_model("ours")) == "ready"


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"sha256": 3}}'])
def test_a_damaged_lock_file_is_named(small, content):
    lock_file().parent.mkdir(parents=True)
    lock_file().write_text(content)
    with pytest.raises(UserError, match=r"weights\.lock\.json: .*mend or delete it"):
        weights("small")


def test_names_become_files(small, tmp_path):
    config, checkpoint = resolve_names("small", None)
    assert Path(config).stem == CONFIG
    assert checkpoint == weights("small")
    own = str(tmp_path / "own.pth")
    assert resolve_names("small", own) == (config, own)
    assert resolve_names("a.py", "mmktn://small") == ("a.py", checkpoint)
    assert resolve_names("a.py", None) == ("a.py", None)
    with pytest.raises(UserError, match="no model is named 'smal'; similar: small"):
        resolve_names("smal", None)


@pytest.mark.parametrize("given", ["mmktn://small", "ADDRESS/small.pth"])
def test_the_hosts_loader_knows_names_and_converts_known_addresses(small, state, given):
    given = given.replace("ADDRESS", small.address)
    name = "head.final_layer.weight"
    for load in (CheckpointLoader.load_checkpoint, host.load_url, read_checkpoint):
        found = load(given)
        assert torch.equal(found["state_dict"][name], state[f"keypoint_{name}"])
    module = BaseModule(init_cfg={"type": "Pretrained", "checkpoint": given})
    module.head = nn.ModuleDict({"final_layer": nn.Conv2d(16, 14, 1)})
    module.init_weights()
    assert torch.equal(module.head["final_layer"].weight, state[f"keypoint_{name}"])
    assert small.asked == ["/small.pth"]


def test_published_weights_start_a_run_and_are_none(small, tmp_path):
    start = {"load_from": "mmktn://small", "resume": False, "work_dir": str(tmp_path)}
    train_command.check_start(Config(start))
    with pytest.raises(UserError, match="no checkpoint of a training run"):
        train_command.check_start(Config(start | {"resume": True}))


def test_a_pose_estimator_is_opened_by_name(small, state):
    estimator = PoseEstimator("small", device="cpu")
    weight = estimator.model.head.final_layer.weight
    assert torch.equal(weight, state["keypoint_head.final_layer.weight"])
    for wrong in (open_inferencer, DensePoseInferencer):
        with pytest.raises(ValueError, match="a pose config"):
            wrong("small", device="cpu")
