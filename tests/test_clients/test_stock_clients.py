"""The hosts' own tools and classes on our configs, run as their users run them, in this process.

mmdet: test.py, its visualization hook, analyze_results, get_flops, DetInferencer,
inference_detector. mmpose: MMPoseInferencer, Pose2DInferencer, get_flops, init_model. mmengine:
inferencers by a model's name, save_best="auto".
"""

import json
import pickle
import re
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import mmdet
import mmpose
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmengine.config import Config
from mmengine.hub import get_model
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmpose.apis import (
    MMPoseInferencer,
    Pose2DInferencer,
    inference_topdown,
)
from mmpose.apis import init_model as init_pose_model

from mmktn.apis.model_loading import build_model
from mmktn.utils.user_error import UserError
from tests.command_line import run_script
from tests.fake_annotations import write_fake_dataset

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / "configs/densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py")
FCN = str(ROOT / "configs/fcn/dp-fcn_r18_cpu_dp-synth.py")
TOPDOWN = str(ROOT / "configs/topdown/densepose-td_r18_cpu_dp-synth.py")
STIP = str(ROOT / "configs/stip/stip_hrnet-w16n_cpu_synthcrowd17-128x96.py")
MMDET_TOOLS = Path(mmdet.__file__).parent / ".mim/tools"
MMPOSE_TOOLS = Path(mmpose.__file__).parent / ".mim/tools"
needs_tools = pytest.mark.skipif(
    not (MMDET_TOOLS / "test.py").is_file() or not (MMPOSE_TOOLS / "test.py").is_file(),
    reason="installed without the hosts' tools",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    write_fake_dataset(folder, num_images=2, persons=1, image_hw=(64, 96))
    return folder


@pytest.fixture(scope="module")
def image(folder) -> str:
    return str(sorted((folder / "images").iterdir())[0])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """Random weights; the classifier finds persons everywhere."""
    torch.manual_seed(0)
    model = build_model(Config.fromfile(CONFIG))
    torch.nn.init.constant_(model.roi_head.bbox_head.fc_cls.bias[:1], 5.0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return str(path)


def options(folder: Path) -> dict[str, object]:
    """Overrides: the fake people, small pictures, few boxes."""
    found: dict[str, object] = {
        "model.test_cfg.rpn.max_per_img": 10,
        "model.test_cfg.rcnn.max_per_img": 2,
    }
    for loader in ("train", "val", "test"):
        found[f"{loader}_dataloader.dataset.data_root"] = str(folder)
        found[f"{loader}_dataloader.dataset.ann_file"] = "annotations.json"
        found[f"{loader}_dataloader.dataset.data_prefix.img"] = "images/"
        found[f"{loader}_dataloader.num_workers"] = 0
        found[f"{loader}_dataloader.persistent_workers"] = False
    for evaluator in ("val_evaluator", "test_evaluator"):
        found[f"{evaluator}.ann_file"] = str(folder / "annotations.json")
    return found


def arguments(folder: Path, **more: object) -> list[str]:
    """The overrides as words of a command line."""
    return ["--cfg-options", *(f"{k}={v}" for k, v in (options(folder) | more).items())]


@pytest.fixture
def run(monkeypatch):
    """Run a host's tool with arguments."""

    def run(tool: Path, *words: object) -> None:
        monkeypatch.setattr("sys.argv", [str(tool), *map(str, words)])
        run_script(tool)

    return run


@pytest.fixture(scope="module")
def tested(folder, checkpoint, tmp_path_factory) -> Path:
    """Work folder of mmdet's test.py with --show-dir and --out."""
    work = tmp_path_factory.mktemp("work")
    tool = MMDET_TOOLS / "test.py"
    words = [CONFIG, checkpoint, "--work-dir", work, "--show-dir", "shown"]
    words += ["--out", work / "results.pkl", *arguments(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(tool), *map(str, words)])
        run_script(tool)
    return work


@needs_tools
def test_mmdets_test_tool_draws_and_dumps(tested, folder):
    shown = {path.name for path in tested.glob("*/shown/*")}
    assert shown == {path.name for path in (folder / "images").iterdir()}
    results = pickle.loads((tested / "results.pkl").read_bytes())
    assert [len(result["pred_instances"]["bboxes"]) for result in results] == [2, 2]
    (scalars,) = tested.glob("*/*.json")
    assert "densepose/gps/AP" in json.loads(scalars.read_text().splitlines()[-1])


@needs_tools
def test_mmdets_analyze_results_sorts_pictures(tested, folder, run, tmp_path):
    tool = MMDET_TOOLS / "analysis_tools/analyze_results.py"
    words = [CONFIG, tested / "results.pkl", tmp_path, "--topk", 1]
    run(tool, *words, *arguments(folder))
    assert len(list(tmp_path.glob("good/*"))) == len(list(tmp_path.glob("bad/*"))) == 1


def test_mmdets_hook_draws_and_the_best_checkpoint_is_known(folder, checkpoint, tmp_path):
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(options(folder))
    cfg.merge_from_dict(
        {
            "default_hooks.visualization": {"draw": True, "interval": 1, "score_thr": 0.0},
            "default_hooks.checkpoint.save_best": "auto",
            "train_cfg.max_iters": 1,
            "train_cfg.val_interval": 1,
            "train_dataloader.batch_size": 1,
            "load_from": checkpoint,
            "work_dir": str(tmp_path),
            "experiment_name": "hook_draws",
            "visualizer.name": "hook_draws",
            "log_level": "ERROR",
        }
    )
    Runner.from_cfg(cfg).train()
    assert len(list(tmp_path.glob("*/vis_data/vis_image/*.png"))) == 2
    assert [path.name for path in tmp_path.glob("best_*")] == ["best_densepose_gps_AP_iter_1.pth"]


@needs_tools
@pytest.mark.parametrize("config", [CONFIG, FCN], ids=["regions", "fcn"])
def test_mmdets_get_flops_counts(config, folder, run, capsys):
    run(MMDET_TOOLS / "analysis_tools/get_flops.py", config, "--num-images", 1, *arguments(folder))
    assert "Flops: " in capsys.readouterr().out


@needs_tools
@pytest.mark.parametrize("config", [TOPDOWN, STIP], ids=["topdown", "stip"])
def test_mmposes_get_flops_counts(config, run, capsys):
    tool = MMPOSE_TOOLS / "analysis_tools/get_flops.py"
    run(tool, config, "--input-shape", 128, 96, "--device", "cpu")
    assert "Flops: " in capsys.readouterr().out


def test_det_inferencer_finds_draws_and_writes(image, checkpoint, tmp_path):
    """mmdet's demo/image_demo.py is this call."""
    inferencer = DetInferencer(CONFIG, checkpoint, device="cpu", show_progress=False)
    (found,) = inferencer(image, out_dir=str(tmp_path), no_save_pred=False)["predictions"]
    assert set(found["labels"]) == {0}
    assert {path.parent.name for path in tmp_path.rglob("*.*")} == {"vis", "preds"}
    (again,) = inferencer(np.full((40, 60, 3), 128, np.uint8))["predictions"]
    assert len(again["bboxes"]) == len(again["scores"])


def test_inference_detector_gives_charts(image, checkpoint):
    found = inference_detector(init_detector(CONFIG, checkpoint, device="cpu"), image)
    people = found.pred_instances
    assert len(people.densepose) == len(people.bboxes) > 0


@pytest.mark.parametrize("client", [Pose2DInferencer, MMPoseInferencer])
def test_pose_inferencers_run_stip_on_our_detector(client, image, checkpoint, tmp_path):
    inferencer = client(
        STIP, device="cpu", det_model=CONFIG, det_weights=checkpoint, det_cat_ids=[0]
    )
    (found,) = inferencer(image, vis_out_dir=str(tmp_path), bbox_thr=0.0, nms_thr=1.0)
    (people,) = found["predictions"]
    assert len(people) > 1
    assert {len(person["keypoints"]) for person in people} == {17}
    assert len(list(tmp_path.iterdir())) == 1


def test_pose_inferencer_runs_stip_on_the_whole_picture(image):
    (found,) = Pose2DInferencer(STIP, device="cpu", det_model="whole_image")(image)
    assert len(found["predictions"][0]) == 1


@pytest.mark.parametrize("meta", ["of the data set", "none"])
def test_init_model_and_inference_topdown_give_charts(meta, image, tmp_path):
    """A checkpoint of training carries the meta information of its data set."""
    cfg = Config.fromfile(TOPDOWN)
    known = DATASETS.get(cfg.train_dataloader.dataset.type)._load_metainfo()
    path = tmp_path / "weights.pth"
    content = {"dataset_meta": known} if meta == "of the data set" else {}
    torch.save({"state_dict": build_model(cfg).state_dict(), "meta": content}, path)
    model = init_pose_model(TOPDOWN, str(path), device="cpu")
    (found,) = inference_topdown(model, image, np.array([[3.0, 3, 40, 60]]))
    assert len(found.pred_instances.densepose) == 1


def test_named_models_without_weights_say_what_to_do():
    with pytest.raises(UserError, match=r"no weights .* are published; give .*model=.*\.py"):
        DetInferencer("ktn1_r50_fpn_260k_dp-coco", scope="mmktn", device="cpu")
    with pytest.raises(AssertionError, match="Cannot find `Weights`"):
        get_model("mmktn::densepose/ktn1_r50_fpn_260k_dp-coco.py", pretrained=True)
    assert "ktn2_r50_fpn_s1x_dp-coco" in DetInferencer.list_models("mmktn")


@needs_tools
def test_mim_finds_mmdets_tools_under_the_name_that_the_readme_prints():
    """mim wants a distribution's name, and takes the tools of the package that it installs."""
    name = re.search(r"mim train (\S+) PATH", (ROOT / "docs/install.md").read_text()).group(1)
    package = (distribution(name).read_text("top_level.txt") or "").split()[0]
    assert Path(find_spec(package).origin).parent == MMDET_TOOLS.parents[1]
