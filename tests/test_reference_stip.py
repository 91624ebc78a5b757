"""STIP against the numbers of the official code, file by file (tests/reference_files.py)."""

import numpy as np
import pytest
import torch

import mmktn.stip.registration  # noqa: F401  (registers the head)
from mmktn.models.backbones.staged_hrnet import StagedHRNet
from mmktn.stip import STIPHead, STIPTargets
from mmktn.stip.checkpoint_keys import check_fit, convert_stip_state_dict
from tests.narrow_hrnet import hrnet_extra
from tests.reference_files import KEYS, files

FILES = files("stip")
# Tolerance of reference/README.md, relative to the largest value; the shipped files agree to 1e-6.
RTOL = 1e-4
OUTPUTS = {
    "context_embedding": "context",
    "final_heatmap": "final",
    "initial_heatmap": "initial",
    "parameter_map": "kernel",
    "spatial_keypoint": "spatial",
    "mask": "mask",
    "global_local_graph": "graph",
    "transfer_matrix": "transfer_matrix",
    "semantics": "semantics",
    "kernel_energy": "kernel_energy",
}


def official_weights(data):
    """Return the stored parameters under their official names, float32."""
    return {
        name.removeprefix("param/"): torch.from_numpy(
            data[name].astype(np.float32) if data[name].dtype == np.float16 else data[name]
        )
        for name in data.files
        if name.startswith("param/")
    }


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def run(request):
    """One forward pass of the converted model in eval mode: data, model, features, output."""
    data = np.load(request.param, allow_pickle=False)
    conversion = convert_stip_state_dict(official_weights(data))
    model = torch.nn.ModuleDict(
        {
            "backbone": StagedHRNet(hrnet_extra(official_weights(data))),
            "head": STIPHead(
                conversion.width,
                conversion.num_keypoints,
                semantic_transfer={},
                instance_parsing={} if conversion.kind == "stip" else None,
            ),
        }
    ).eval()
    check_fit(conversion, model.state_dict())
    model.load_state_dict(conversion.state_dict, strict=True)
    with torch.no_grad():
        feats = model["backbone"](torch.from_numpy(data["input"].astype(np.float32)))
        output = model["head"].forward_maps(feats)
    return data, model, feats, output


def largest_error(data, name, tensor):
    """Largest difference from the stored samples, relative to the largest stored value."""
    assert tuple(tensor.shape) == tuple(data[f"out/{name}/shape"])
    found = tensor.contiguous().flatten()[torch.from_numpy(data[f"out/{name}/index"]).long()]
    stored = data[f"out/{name}/value"]
    return np.abs(found.numpy() - stored).max() / np.abs(stored).max()


def test_stages_equal_the_reference(run):
    data, _, feats, _ = run
    for stage, tensor in zip((2, 3, 4), feats, strict=True):
        assert largest_error(data, f"stage{stage}", tensor) <= RTOL


def test_every_stored_output_equals_the_reference(run):
    data, _, _, output = run
    stored = {name.split("/")[1] for name in data.files if name.startswith("out/")}
    stored -= {"stage2", "stage3", "stage4"}
    assert stored <= set(OUTPUTS), "the file holds an output this test does not know"
    for name in stored:
        if name in ("mask", "semantics"):
            tensor = torch.sigmoid(getattr(output, f"{OUTPUTS[name]}_logits"))
        else:
            tensor = getattr(output, OUTPUTS[name])
        if name in ("global_local_graph", "transfer_matrix"):  # stored enlarged
            tensor = torch.nn.functional.interpolate(
                tensor, size=output.final.shape[-2:], mode="bilinear", align_corners=False
            )
        assert largest_error(data, name, tensor) <= RTOL, name


def test_prediction_path_equals_the_training_path(run):
    _, model, feats, output = run
    with torch.no_grad():
        prediction = model["head"](feats)
    torch.testing.assert_close(prediction, output.final, rtol=0, atol=1e-6)


def test_losses_equal_the_reference(run):
    data, model, _, output = run
    targets = STIPTargets(
        heatmaps=torch.from_numpy(data["target"]),
        keypoint_weights=torch.from_numpy(data["target_weight"])[..., 0],
        person_mask=torch.from_numpy(data["mask_target"]),
        keypoint_presence=torch.from_numpy(data["semantic_target"]),
    )
    losses = model["head"].loss_module(output, targets)
    names = {
        "pose_0": "loss_final",
        "pose_1": "loss_initial",
        "pose_2": "loss_kernel",
        "sp_pose": "loss_spatial",
        "mask": "loss_mask",
        "semantics_0": "loss_semantics",
    }
    stored = dict(zip(data["loss_names"].tolist(), data["loss_values"].tolist(), strict=True))
    assert sum(losses.values()).item() == pytest.approx(stored.pop("total loss"), rel=RTOL)
    assert {names[name] for name in stored} == set(losses)
    for name, value in stored.items():
        assert losses[names[name]].item() == pytest.approx(value, rel=RTOL), name


def test_key_lists_of_full_models_are_consumed():
    paths = sorted(KEYS.glob("*stip*.tsv"))
    assert paths
    for path in paths:
        shapes = dict(line.split("\t") for line in path.read_text().splitlines())
        official = {
            name: torch.empty(
                [] if shape == "scalar" else [int(n) for n in shape.split("x")], device="meta"
            )
            for name, shape in shapes.items()
        }
        conversion = convert_stip_state_dict(official)
        assert set(conversion.renamed) | set(conversion.unused) == set(official)
        assert set(conversion.unused) == {"final_layer.weight", "final_layer.bias"}
        with torch.device("meta"):
            model = torch.nn.ModuleDict(
                {
                    "backbone": StagedHRNet(hrnet_extra(official)),
                    "head": STIPHead(
                        conversion.width,
                        conversion.num_keypoints,
                        semantic_transfer={},
                        instance_parsing={},
                    ),
                }
            )
        assert check_fit(conversion, model.state_dict()) == []
        assert conversion.num_keypoints == (17 if path.name.startswith("coco") else 14)
