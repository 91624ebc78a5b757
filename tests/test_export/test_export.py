"""Exported systems: they see what torch sees, in a process that has no torch."""

import errno
import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmktn.__main__ import main
from mmktn.apis import DensePoseInferencer, ExportedInferencer, load_model
from mmktn.apis.model_loading import build_model, load_config
from mmktn.apis.pose_estimator import PoseEstimator
from mmktn.export import exporting
from mmktn.export.exporting import LABEL_LIMIT, ExportReport, export_system
from mmktn.export.formats import _convolutions_of, open_network, run_torch, write_network
from mmktn.export.networks import Network, cut
from mmktn.formats.chart_arrays import ChartArrays
from mmktn.runtime import FoundPeople, open_exported
from mmktn.runtime.engines import open_engine
from mmktn.utils.user_error import UserError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
STIP = "configs/stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py"
TOPDOWN = "configs/topdown/densepose-td_hrnet-w16n_ktm1_cpu_dp-synth.py"
WITHOUT_TORCH = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
hidden = {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"}
PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: (
        None if name.partition(".")[0] in hidden else find(name, path, target)
    )
)

import sys
from mmktn.__main__ import main

status = main(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(status)
"""


@pytest.fixture(scope="module")
def model():
    return load_model(device="cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two rendered pictures of two shapes, and one without anybody."""
    folder = tmp_path_factory.mktemp("pictures")
    first, second = exporting._rendered(2)
    cv2.imwrite(str(folder / "1.png"), first.image)
    cv2.imwrite(str(folder / "2.png"), exporting._turned(second).image)
    cv2.imwrite(str(folder / "3.png"), np.full((50, 200, 3), 128, np.uint8))
    return folder


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "system"
    report = export_system(model, folder, name="shipped")
    return folder, report


def test_the_shipped_model_agrees_with_torch(exported):
    folder, report = exported
    assert report.figures["charts"] >= 0.999
    assert report.figures["U, V"] <= 1e-3
    assert report.figures["boxes found"] <= 1e-2
    assert sum(name.startswith("body ") for name in report.figures) == 3
    content = json.loads((folder / "mmktn.json").read_text())
    assert content["surface"] == "human"
    assert content["classes"] == ["person"]
    assert content["picture"]["mean"] == [127.0] * 3


def test_a_process_without_torch_sees_the_same(exported, model, pictures, tmp_path):
    command = ["predict", str(pictures), "--runtime", "onnx", "--model", str(exported[0])]
    command += ["--batch-size", "2", "--threads", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *command],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = DensePoseInferencer(model)(pictures, batch_size=2)
    assert sum(map(len, expected)) >= 2
    for wanted in expected:
        found = np.load(tmp_path / "out" / f"{Path(wanted.name).stem}.npz")
        np.testing.assert_allclose(found["boxes_xyxy"], wanted.boxes_xyxy, atol=1e-2)
        np.testing.assert_allclose(found["scores"], wanted.scores, atol=1e-4)
        for index, person in enumerate(wanted.people):
            labels, result = found[f"labels_{index}"], person.result.arrays()
            same = labels == result.labels
            assert same.mean() >= 0.999
            far = np.abs(found[f"uv_{index}"] - result.uv)[:, same].max(initial=0)
            assert far <= 1e-3


def test_its_people_are_those_of_the_inferencer(exported, model, pictures):
    inferencer = ExportedInferencer(exported[0])
    (found,) = inferencer(pictures / "1.png", return_vis=True)
    (wanted,) = DensePoseInferencer(model)(pictures / "1.png")
    assert found.surface == wanted.surface == "human"
    person, other = found.people[0], wanted.people[0]
    assert (person.iuv == other.iuv).mean() > 0.99
    assert (person.mask == other.mask).mean() > 0.999
    assert person.keypoints is None
    assert found.picture.shape == wanted.draw(wanted.image).shape
    assert found.to_official()[0].keys() == wanted.to_official()[0].keys()
    given = np.array([[10, 10, 120, 200]], "f")
    (boxed,) = inferencer(pictures / "1.png", boxes=[given])
    assert boxed.people[0].iuv.shape == (3, 190, 110)


@pytest.mark.parametrize(("spared", "whole"), [("backbone", ["backbone", "end"]), ("", ["end"])])
def test_int8_leaves_a_spared_module_and_the_last_layers_as_they_are(tmp_path, spared, whole):
    import onnx

    torch.manual_seed(0)
    layers = {name: torch.nn.Conv2d(3, 3, 3) for name in ("backbone", "neck", "end")}
    network = Network(torch.nn.Sequential(OrderedDict(layers)), ("image",), ("maps",), (2, 3))
    images = [{"image": np.random.default_rng(k).random((1, 3, 9, 9), "f")} for k in range(2)]
    write_network(
        network,
        (torch.from_numpy(images[0]["image"]),),
        tmp_path / "net.onnx",
        kind="onnx",
        precision="int8",
        calibration=images,
        spared=spared,
    )
    graph = onnx.load(str(tmp_path / "net.onnx")).graph
    made = {name for node in graph.node for name in node.output}
    # The weights of a quantised convolution come out of a node, those of another lie in the file.
    left = [
        n.name.split("/")[1] for n in graph.node if n.op_type == "Conv" and n.input[1] not in made
    ]
    assert left == whole


def test_the_backbone_of_a_body_is_told_by_its_name(exported):
    import onnx

    graph = onnx.load(str(exported[0] / "body.onnx")).graph
    all_of_them = [node.name for node in graph.node if node.op_type == "Conv"]
    spared = _convolutions_of(graph, "backbone")
    assert spared == [name for name in all_of_them if name.startswith("/backbone/")]
    assert 20 < len(spared) < len(all_of_them)


def test_people_are_dropped_by_their_bodies_as_in_torch(exported):
    system = open_exported(exported[0])
    assert system.settings["boxes"]["max_body_overlap"] == 0.5
    whole = ChartArrays(np.ones((40, 20), np.uint8), np.zeros((2, 40, 20), "f"), xy=(0, 0))
    upper = ChartArrays(np.ones((15, 22), np.uint8), np.zeros((2, 15, 22), "f"), xy=(-1, 0))
    boxes = np.array([[0, 0, 20, 40], [-1, 0, 21, 15]], "f")
    further = {"keypoints": np.arange(4.0).reshape(2, 1, 2)}
    found = FoundPeople(boxes, np.array([0.9, 0.5], "f"), [whole, upper], further)
    left = system._distinct(found)
    assert left.densepose == [whole]
    assert left.boxes_xyxy.tolist() == [[0, 0, 20, 40]]
    assert left.further["keypoints"].tolist() == [[[0.0, 1.0]]]


def test_what_an_engine_cannot_run_is_an_error_that_batches_go_on_from(exported):
    run = open_engine("onnx", exported[0] / "boxes.onnx")
    with pytest.raises(RuntimeError, match="OnnxEngine: "):
        run({"features": np.zeros((1, 2, 3, 4), "f")})


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_outputs_of_half_precision_keep_their_names(tmp_path, engine):
    pytest.importorskip(dict(onnx="onnxruntime").get(engine, engine))

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.zeta = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.zeta(x), 2 * x

    network = Network(Twice(), ("x",), ("zeta", "double"))
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "half.onnx"
    write_network(network, (x,), path, kind="onnx", precision="half")
    found = open_engine(engine, path)({"x": x.numpy()})
    with torch.no_grad():
        wanted = dict(zip(network.outputs, network.module(x), strict=True))
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values.numpy(), atol=2e-3)


def test_what_disagrees_is_not_kept(model, tmp_path, monkeypatch):
    def wrong(network, path, *, kind):
        run = open_network(network, path, kind=kind)
        return lambda inputs: {k: v + 1e-2 * np.abs(v).max() for k, v in run(inputs).items()}

    monkeypatch.setattr(exporting, "open_network", wrong)
    with pytest.raises(UserError, match="disagrees with torch and was not kept: body"):
        export_system(model, tmp_path / "system")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_that_names_the_folder(model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "write_network", full)
    with pytest.raises(UserError, match="system cannot be written: the disk is full"):
        export_system(model, tmp_path / "system")
    assert not list(tmp_path.iterdir())


def test_a_value_that_is_no_number_is_noticed_beside_good_outputs():
    good = {name: np.ones((1, 2), "f") for name in ("logits", "deltas")}
    bad = good | {"logits": np.array([[1, np.nan]], "f")}
    with pytest.raises(UserError, match=r"boxes 1x2: largest difference nan \(logits\)"):
        exporting._compare(ExportReport(Path()), "boxes", bad, good, 1e-4)


def test_an_export_that_loses_charts_is_kept_where_that_is_said(model, tmp_path):
    """int8 of the shipped model loses 15 % of the pixels."""
    wanted = np.full((10, 10), 3, np.uint8)
    found = wanted.copy()
    found.reshape(-1)[:15] = 4
    pairs = [
        tuple(
            FoundPeople(np.zeros((1, 4)), np.ones(1), [ChartArrays(labels, np.zeros((2, 10, 10)))])
            for labels in (found, wanted)
        )
    ]
    with pytest.raises(UserError, match=r"charts: 85\.0000% of 100 pixels .* 0\.95 \(--least-agr"):
        exporting._add_charts(ExportReport(Path()), pairs, LABEL_LIMIT["int8"], "int8")
    report = ExportReport(Path())
    exporting._add_charts(report, pairs, 0.8, "int8")
    assert report.figures == {"charts": 0.85, "U, V": 0}
    with pytest.raises(UserError, match="least_agreement is 80; expected 0 to 1"):
        export_system(model, tmp_path / "system", precision="int8", least_agreement=80)


def test_folders_of_others_and_older_exports_stay(model, exported, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="exists and is no exported system"):
        export_system(model, tmp_path, overwrite=True)
    with pytest.raises(UserError, match="exists; give another folder or pass --overwrite"):
        export_system(model, exported[0])
    assert (tmp_path / "mine.txt").read_text() == "x"


def lively(model):
    """Give a model weights that make maps with peaks; those it starts with make flat ones."""
    generator = torch.Generator().manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            scale = (2 / layer.weight[0].numel()) ** 0.5
            torch.nn.init.normal_(layer.weight, std=scale, generator=generator)
    return model


@pytest.fixture(scope="module")
def estimator():
    estimator = PoseEstimator(ROOT / STIP, device="cpu")
    lively(estimator.model)
    return estimator


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_stip_is_right_at_any_batch(estimator, tmp_path, kind):
    network = cut(estimator.model, estimator.meta["flip_indices"]).networks["network"]
    crops = np.random.default_rng(0).normal(size=(5, 3, 128, 96)).astype("f")
    path = tmp_path / f"network.{kind}"
    write_network(network, (torch.from_numpy(crops[:2]),), path, kind=kind)
    run = open_network(network, path, kind=kind)
    assert not estimator.model.head.training
    for count in (1, 3, 5):
        found, wanted = (
            call({"image": crops[:count]}) for call in (run, lambda x: run_torch(network, x))
        )
        for name, expected in wanted.items():
            limit = 1e-4 * np.abs(expected).max()
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=limit)


def test_stip_gives_the_keypoints_of_the_estimator(estimator, tmp_path):
    export_system(
        estimator.model, tmp_path / "stip", name="stip", estimator=estimator, trained=False
    )
    system = open_exported(tmp_path / "stip")
    image = np.random.default_rng(1).integers(0, 255, (90, 70, 3)).astype(np.uint8)
    boxes = np.array([[5, 5, 60, 80], [0, 0, 30, 30]], "f")
    (found,) = system.find_people([image], [boxes])
    wanted = estimator.predict(image, boxes)
    assert len(np.unique(wanted.keypoints)) > 20
    far = np.abs(found.further["keypoints"] - wanted.keypoints)
    # Random maps have plateaus, on which the refinement repeats rounding.
    assert np.quantile(far, 0.8) < 1e-3
    assert far.max() < 2
    np.testing.assert_allclose(found.further["keypoint_scores"], wanted.keypoint_scores, rtol=1e-3)
    assert found.further["keypoint_presence"].shape == (2, 14)
    with pytest.raises(UserError, match="one person at a time: give boxes"):
        system.find_people([image])
    with pytest.raises(UserError, match="makes keypoints and no charts"):
        ExportedInferencer(tmp_path / "stip")


def test_a_topdown_system_is_folded_and_whole(tmp_path):
    torch.manual_seed(0)
    model = lively(load_model(ROOT / TOPDOWN, device="cpu"))
    report = export_system(model, tmp_path / "crop", trained=False)
    networks = [value for name, value in report.figures.items() if name.startswith("network ")]
    assert len(networks) >= 2
    assert max(networks) <= 1e-4
    assert [p.name for p in (tmp_path / "crop").iterdir()].count("network.onnx") == 1
    with pytest.raises(UserError, match="give boxes"):
        ExportedInferencer(tmp_path / "crop")(np.zeros((9, 9, 3), np.uint8))


def test_a_loop_over_the_batch_is_noticed(tmp_path, monkeypatch):
    """A graph that keeps the batch it was traced with is no export."""

    def traced(network, example, path, **options):
        fixed = torch.zeros(len(example[0]), 1, 1, 1)
        inner = network.module.forward
        network.module.forward = lambda x: tuple(v + fixed for v in inner(x))
        write_network(network, example, path, **options)

    small = load_model(ROOT / TOPDOWN, device="cpu")
    monkeypatch.setattr(exporting, "write_network", traced)
    with pytest.raises(UserError, match="was not kept"):
        export_system(small, tmp_path / "crop", trained=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("cascade/densepose-cascade_r18_fpn_cpu_dp-synth.py", "CascadeDensePoseRoIHead cannot"),
        ("cascade/densepose-rcnn-mask_r18_fpn_cpu_dp-synth.py", "the mask branch cannot"),
        ("densepose/densepose-rcnn-wc1_r18_fpn_cpu_dp-synth.py", "sigma_2"),
        ("fcn/dp-fcn_r18_cpu_dp-synth.py", "ChartFCN cannot be exported"),
        ("tasks/part-seg_r18_fpn_cpu_dp-synth.py", "makes no charts"),
    ],
)
def test_what_cannot_be_exported_is_named(config, text):
    cfg = load_config(ROOT / "configs" / config)
    model = build_model(cfg)
    model.cfg = cfg
    with pytest.raises(UserError, match=text):
        cut(model)


def test_a_config_without_weights_is_refused(tmp_path, capsys):
    status = main(["export", str(ROOT / STIP), "--out", str(tmp_path / "out")])
    assert status == 1
    assert "give its weights behind it, or --random-weights" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
