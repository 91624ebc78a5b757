"""HRNet and HRFPN without padding: the official fusion written out by hand, at odd sizes."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models import HRNet
from mmengine.config import Config

from mmktn.models.necks import KTNHRFPN
from mmktn.models.rcnn import CroppingHRNet

SIZES = [(250, 310), (96, 131), (129, 97)]
CONFIG = Config.fromfile(
    "configs/densepose/densepose-rcnn_hrnet-w16n_hrfpn_cpu_dp-synth.py"
).model.backbone


def small_hrnet(kind=CroppingHRNet):
    torch.manual_seed(0)
    net = kind(CONFIG.extra, norm_eval=False).double()
    net.eval()  # the host's returns None
    return net


def direct_stage(modules, maps):
    """Official order: the first branch, then each further one cropped to the sum and added."""
    for module in modules:
        maps = [branch(x) for branch, x in zip(module.branches, maps, strict=True)]
        fused = []
        for i, layers in enumerate(module.fuse_layers):
            total = maps[0] if i == 0 else layers[0](maps[0])
            for j in range(1, len(maps)):
                item = maps[j] if i == j else layers[j](maps[j])
                total = total + item[:, :, : total.shape[2], : total.shape[3]]
            fused.append(F.relu(total))
        maps = fused
    return maps


def direct_branches(net, x):
    x = F.relu(net.bn1(net.conv1(x)))
    x = F.relu(net.bn2(net.conv2(x)))
    maps = [net.layer1(x)]
    for stage, transition in (
        (net.stage2, net.transition1),
        (net.stage3, net.transition2),
        (net.stage4, net.transition3),
    ):
        coarsest = maps[-1]
        maps = [
            (maps[i] if i < len(maps) else coarsest)
            if step is None
            else step(maps[0] if len(maps) == 1 else coarsest)
            for i, step in enumerate(transition)
        ]
        maps = direct_stage(stage, maps)
    return maps


def direct_pyramid(neck, branches):
    grown = [layer(x) for layer, x in zip(neck.enlargements, branches, strict=True)]
    h, w = (min(x.shape[axis] for x in grown) for axis in (2, 3))
    joined = torch.cat([x[:, :, :h, :w] for x in grown], dim=1)
    levels = [layer(joined) for layer in neck.reductions]
    rows, columns = levels[-1].shape[2:]
    last = len(levels) - 1
    return [
        conv(x[:, :, : rows * 2 ** (last - n), : columns * 2 ** (last - n)])
        for n, (conv, x) in enumerate(zip(neck.level_convs, levels, strict=True))
    ]


@pytest.mark.parametrize("size", SIZES)
def test_levels_equal_the_official_fusion_at_sizes_that_32_does_not_divide(size):
    net = small_hrnet()
    neck = KTNHRFPN([16, 32, 64, 128], 8, num_outs=3).double().eval()
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        expected = direct_branches(net, x)
        found = net(x)
        levels, direct = neck(found), direct_pyramid(neck, expected)
    for ours, theirs in zip([*found, *levels], [*expected, *direct], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * float(theirs.abs().max()))


def test_at_multiples_of_32_it_is_the_host():
    ours, host = small_hrnet(), small_hrnet(HRNet)
    host.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        for a, b in zip(ours(x), host(x), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["densepose-rcnn", "ktn2"])
def test_full_size_configs_pad_nothing(name):
    cfg = Config.fromfile(f"configs/densepose/{name}_hrnet-w32_hrfpn_s1x_dp-coco.py")
    assert cfg.model.data_preprocessor.pad_size_divisor == 1
    assert cfg.model.backbone.type == "mmktn.CroppingHRNet"
