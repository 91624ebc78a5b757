"""One training step and one prediction of each system on CUDA, and what the device waits for.

Where there is no GPU the device is pretended (tests/pretended_cuda): a tensor left on the CPU, a
type that CUDA or autocast refuses and a new wait fail here. The budgets are what was counted: a new
`.item()` in a forward pass goes over them.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

from mmktn.apis import DensePoseInferencer, open_inferencer
from mmktn.utils.setup_env import register_all_modules
from tests.test_config_steps import (  # noqa: F401
    ROOT,
    averaging_weights,
    folder,
    quarter_widths,
    samples,
    small,
)
from tests.test_models.test_rcnn.test_densepose_tta import build as build_tta
from tests.test_models.test_rcnn.test_densepose_tta import pictures, run  # noqa: F401

# System -> waits of a training step, waits and launches of a prediction, two pictures each. The
# stand-ins of mmcv's operators are in use; mmdet waits about 80 times in a step.
BUDGETS = {
    "densepose/densepose-rcnn_r18_fpn_cpu_dp-synth": (88, 29, 1234),
    "densepose/densepose-rcnn-legacy_r18_fpn_cpu_dp-synth": (92, 37, 1276),
    "densepose/densepose-rcnn_hrnet-w16n_hrfpn_cpu_dp-synth": (83, 29, 1356),
    "densepose/ktn1_r18_fpn_cpu_dp-synth": (91, 31, 1250),
    "densepose/ktn2_r18_fpn_cpu_dp-synth": (92, 31, 1336),
    "cascade/densepose-cascade-kpt_r18_fpn_cpu_dp-synth": (144, 41, 1444),
    "systems/ama-net_r18_fpn_ktm1_cpu_dp-synth": (108, 37, 2028),
    "fcn/dp-fcn_r18_cpu_dp-synth": (14, 8, 478),
    "topdown/densepose-td_r18_ktm2_cpu_dp-synth": (9, 6, 307),
}


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


def step(model, cfg, folder, kind):  # noqa: F811
    """One step of the optimiser in float32 or, with a scaler, in float16."""
    settings = {**cfg.optim_wrapper, "type": kind}
    if kind == "AmpOptimWrapper":
        # The scaler starts at 65536, and untrained networks overflow.
        settings |= {"dtype": "float16", "loss_scale": 1.0}
    optimizer = build_optim_wrapper(model, settings)
    return model.train().train_step(samples(cfg, "train_dataloader", folder), optimizer)


@pytest.mark.cuda
@pytest.mark.parametrize("name", BUDGETS)
def test_step_and_prediction(name, folder, averaging_weights, pretended_counts):  # noqa: F811
    torch.manual_seed(0)
    cfg = small(Config.fromfile(str(ROOT / f"{name}.py")))
    if "ktn2" not in name:  # its normalisation has 32 groups of channels
        quarter_widths(cfg.model)  # float16 is slow on the CPU
    init_default_scope(cfg.get("default_scope", "mmdet"))
    model = MODELS.build(cfg.model).cuda()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # predict with the statistics of the one step
    pretended_counts.clear()
    losses = step(model, cfg, folder, "OptimWrapper")
    training = sum(pretended_counts.waits.values())
    assert all(value.is_cuda and value.isfinite().all() for value in losses.values())
    losses = step(model, cfg, folder, "AmpOptimWrapper")
    assert all(value.is_cuda for value in losses.values())
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if weight_name.endswith(("rpn_reg.weight", "fc_reg.weight")):
                weight.zero_()  # boxes lie where anchors do
    batch = samples(cfg, "test_dataloader", folder)
    model.eval().test_step(batch)  # generates kernels
    pretended_counts.clear()
    results = model.test_step(batch)
    waits, launches = (
        sum(each.values()) for each in (pretended_counts.waits, pretended_counts.launches)
    )
    assert sum(len(result.pred_instances) for result in results) > 0
    assert waits <= BUDGETS[name][1], str(pretended_counts)
    # Which boxes are sampled, and how they fall into groups, moves these by some.
    assert launches <= 1.05 * BUDGETS[name][2], str(pretended_counts)
    assert training <= 1.1 * BUDGETS[name][0]
    with torch.autocast("cuda", torch.float16):
        model.test_step(batch)


@pytest.mark.cuda
def test_views_are_averaged_on_the_device(pictures):  # noqa: F811
    model = build_tta(name="densepose/smoke/ktn2_r18_fpn_smoke_dp-synth")
    (expected,) = run(model, pictures, "plain")
    (found,) = run(model.cuda(), pictures, "plain")
    assert found.pred_instances.bboxes.is_cuda
    torch.testing.assert_close(
        found.pred_instances.bboxes.cpu(), expected.pred_instances.bboxes, rtol=0, atol=1e-3
    )
    assert len(found.pred_instances.densepose) == len(expected.pred_instances.densepose) > 0


@pytest.mark.cuda
def test_shipped_model_gives_the_same_on_the_device(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    boxes = [np.array([[10.0, 8, 60, 90]])]
    on_gpu = DensePoseInferencer(device="cuda")
    assert next(on_gpu.model.parameters()).is_cuda
    (found,) = on_gpu(picture, boxes=boxes, vis_out_dir=tmp_path, pred_out_dir=tmp_path)
    (expected,) = DensePoseInferencer(device="cpu")(picture, boxes=boxes)
    assert found.error is None
    assert len(list(tmp_path.iterdir())) == 2
    assert (found.densepose[0].labels.cpu() == expected.densepose[0].labels).float().mean() > 0.99
    assert len(on_gpu(picture, score_thr=0.0)) == 1


@pytest.mark.cuda
def test_topdown_inferencer_detects_and_crops_on_the_device():
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    inferencer = open_inferencer(
        ROOT / "topdown/densepose-td_r18_ktm1_cpu_dp-synth.py", device="cuda"
    )
    (found,) = inferencer(picture, boxes=[np.array([[10.0, 8, 60, 90]])])
    assert found.error is None
    assert next(inferencer.model.parameters()).is_cuda
