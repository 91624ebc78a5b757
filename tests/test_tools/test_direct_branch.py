"""The optimised KTN v2 branch against the same branch written down directly."""

from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.apis import load_model
from tests.tool_modules import tool_module

REPO = Path(__file__).resolve().parents[2]
direct_branch = tool_module("projects/benchmark/direct_branch.py")


@torch.no_grad()
@pytest.mark.parametrize("seed", [0, 1])
def test_branch_equals_its_direct_form(seed):
    torch.manual_seed(seed)
    config = REPO / "configs" / "densepose" / "ktn2_r18_fpn_cpu_dp-synth.py"
    roi_head = load_model(config, device="cpu").roi_head
    # Structural relations are equal for left and right: untrained charts would tie exactly.
    machine = roi_head.densepose_head.predictor.deconvs["fine_segm"].machine
    for relation in machine.graph.parameters():
        relation += 0.1 * torch.randn_like(relation)
    levels = tuple(torch.randn(1, 64, 64 // s, 96 // s) for s in (1, 2, 4, 8, 16))
    rois = torch.tensor([[10.0, 20.0, 90.0, 200.0], [100.5, 3.2, 300.0, 150.7]])
    boxes = rois * 0.7
    ours = roi_head.predict_densepose(levels, [rois], [InstanceData(bboxes=boxes)])[0].densepose
    direct = direct_branch.direct_predict(roi_head, levels, rois, boxes)
    for a, b in zip(ours, direct, strict=True):
        # Logits that agree to rounding (1e-5 of their size) may tie in a pixel or two.
        same = a.labels == b.labels
        assert same.float().mean() > 0.999
        assert (a.uv - b.uv)[:, same].abs().max() < 1e-4
        assert (a.labels > 0).any()
