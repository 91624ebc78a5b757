"""Functions that configs call return data; a twin is its full-size sibling made small."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

from mmktn.utils.config_parts import confidences, narrow

ROOT = Path(__file__).parents[2] / "configs"
TWINS = (
    "cascade/densepose-cascade-mask_r18_fpn_cpu_dp-synth.py",
    "densepose/ktn1_r18_fpn_cpu_dp-synth.py",
    "densepose/ktn2_hrnet-w16n_hrfpn_cpu_dp-synth.py",
    "fcn/dp-fcn-person_r18_cpu_dp-synth.py",
    "systems/ama-net_r18_fpn_ktm1_cpu_dp-synth.py",
    "systems/parsing-rcnn_r18_fpn_cpu_dp-synth.py",
    "tasks/keypoints_r18_fpn-mid2_cpu_dp-synth.py",
    "topdown/densepose-td_hrnet-w16n_ktm2_cpu_dp-synth.py",
    "topdown/densepose-td_r18_cpu_dp-synth.py",
)
EACH_FUNCTION = (
    "stip/stip_hrnet-w48_8xb48-210e_coco-384x288.py",
    "densepose/densepose-rcnn-wc2m_r101_fpn_s1x_dp-coco.py",
    "densepose/ktn2_hrnet-w32_hrfpn_s1x_dp-coco.py",
    "tasks/body-seg_r18_fpn-mid1_cpu_dp-synth.py",
    "cascade/densepose-cascade-mask_r18_fpn_cpu_dp-synth.py",
    "fcn/dp-fcn_r18_boxes_cpu_dp-synth.py",
)


def sibling(path: Path) -> Path:
    """The full-size config that a twin narrows."""
    name = re.search(r'narrow\(\s*"{{fileDirname}}/([^"]+)"', path.read_text())
    return path.with_name(name[1])


def types(node, at=()):
    """Place -> type, for the modules of a model."""
    if isinstance(node, dict):
        if "type" in node:
            yield at, node["type"]
        for key, value in node.items():
            yield from types(value, (*at, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from types(value, (*at, place))


@pytest.mark.parametrize("name", EACH_FUNCTION)
def test_a_dumped_config_needs_no_functions(name, tmp_path):
    cfg = Config.fromfile(ROOT / name)
    assert not any(callable(value) and not isinstance(value, dict) for value in cfg.values())
    cfg.dump(tmp_path / "dumped.py")
    text = (tmp_path / "dumped.py").read_text()
    assert "import " not in text
    assert Config.fromfile(tmp_path / "dumped.py").to_dict() == cfg.to_dict()


@pytest.mark.parametrize("name", EACH_FUNCTION)
def test_a_config_of_another_folder_stands_on_it(name, tmp_path):
    (tmp_path / "mine.py").write_text(f'_base_ = "{ROOT / name}"\n')
    assert Config.fromfile(tmp_path / "mine.py").to_dict() == Config.fromfile(ROOT / name).to_dict()


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_modules_of_its_sibling(name):
    path = ROOT / name
    full, twin = (dict(types(Config.fromfile(p).to_dict()["model"])) for p in (sibling(path), path))
    apart = {at for at in full.keys() | twin.keys() if full.get(at) != twin.get(at)}
    assert {at[:2] for at in apart} <= {
        ("backbone",),  # padding is no matter at these sizes
        ("backbone", "init_cfg"),
        ("roi_head", "bbox_head"),  # whose loss is the plain one
    }


def test_changes_come_last():
    path = ROOT / "densepose/ktn2_r50_fpn_s1x_dp-coco.py"
    model = narrow(str(path), roi_head={"densepose_head": {"trunk": {"num_convs": 3}}})
    trunk = {"type": "mmktn.KTNTrunk", "in_channels": 64, "channels": 64, "num_convs": 3}
    assert model["roi_head"]["densepose_head"]["trunk"] == trunk
    assert Config.fromfile(path).model.roi_head.densepose_head.trunk.channels == 512


def test_confidences_of_a_kind_that_is_none_are_refused():
    with pytest.raises(KeyError):
        confidences("wc3")
