"""The tool that keeps raw maps: what it kept decodes to the results it kept."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmktn.formats.result_files import read_results
from mmktn.models.postprocess import ChartDecoder
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import write_fake_dataset
from tests.tool_modules import tool_module

ROOT = Path(__file__).parents[2]
CASCADE = ROOT / "configs/cascade/densepose-cascade-mask_r18_fpn_cpu_dp-synth.py"
PLAIN = ROOT / "configs/densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py"
CHILD = """
_base_ = "{base}"
test_dataloader = dict(
    dataset=dict(data_root="{data}", ann_file="annotations.json", data_prefix=dict(img="images/"))
)
test_evaluator = [
    dict(type="mmktn.DensePoseMetric", ann_file="{data}/annotations.json", surface="human")
]
model = dict(test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=3)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("base", [PLAIN, CASCADE], ids=["plain", "cascade"])
def test_raw_maps_are_those_behind_the_results(base, tmp_path, capsys):
    tool = tool_module("projects/oracle/eval_dump_raw.py")
    write_fake_dataset(tmp_path / "data", num_images=2, persons=2, image_hw=(96, 128))
    config = tmp_path / "child.py"
    config.write_text(CHILD.format(base=base, data=tmp_path / "data"))
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(str(config)).model)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "random.pth")
    out = tmp_path / "out"
    arguments = [str(config), str(tmp_path / "random.pth"), "--out-dir", str(out)]
    assert tool.main([*arguments, "--max-images", "1"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    results = read_results(out / "results.npz")
    raw = np.load(out / "raw.npz")
    assert summary["images"] == 1
    assert len(results) == summary["detections"] == 3
    assert sorted(raw.files) == sorted(
        f"{name}_{k}" for name in ("fine_segm", "coarse_segm", "u", "v") for k in range(3)
    )
    boxes = torch.from_numpy(results.boxes_xywh).float()
    boxes[:, 2:] += boxes[:, :2]
    stacked = {
        name: torch.stack([torch.from_numpy(raw[f"{name}_{k}"]).float() for k in range(3)])
        for name in ("fine_segm", "coarse_segm", "u", "v")
    }
    decoded = ChartDecoder(mask_source="coarse_segm").decode(ChartOutput(**stacked), boxes)
    for k in range(3):
        # Raw maps are float16, which moves a few borders.
        assert (decoded[k].labels.numpy() == results.iuv(k)[0]).mean() > 0.98
