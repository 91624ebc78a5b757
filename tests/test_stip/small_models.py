"""Small STIP models and inputs shared by the tests of this folder."""

import torch

from mmktn.stip import STIPHead, STIPTargets


def small_extra(width=8):
    """HRNet with one module of one block a stage."""
    stages = {
        "stage1": {
            "num_modules": 1,
            "num_branches": 1,
            "block": "BOTTLENECK",
            "num_blocks": (1,),
            "num_channels": (16,),
        }
    }
    for stage in (2, 3, 4):
        stages[f"stage{stage}"] = {
            "num_modules": 1,
            "num_branches": stage,
            "block": "BASIC",
            "num_blocks": (1,) * stage,
            "num_channels": tuple(width * 2**i for i in range(stage)),
        }
    return stages


def small_head(seed=0, **options):
    """Head on 8 channels and 5 keypoints with weights of order one, in eval mode."""
    options = {"semantic_transfer": {}, "instance_parsing": {}, **options}
    torch.manual_seed(seed)
    head = STIPHead(8, 5, **options).eval()
    with torch.no_grad():
        for module in head.modules():
            if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_(0, 0.3)
    return head


def random_feats(seed=1, hw=(6, 4), batch=2, channels=8):
    """Maps of three stages."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, channels, *hw, generator=generator) for _ in range(3))


def random_targets(maps, seed=2):
    """Targets of the size of the maps; some keypoints are not labelled."""
    generator = torch.Generator().manual_seed(seed)
    batch, keypoints = maps.shape[:2]
    labelled = (torch.rand(batch, keypoints, generator=generator) > 0.4).float()
    return STIPTargets(
        heatmaps=torch.rand(maps.shape, generator=generator),
        keypoint_weights=labelled,
        person_mask=(torch.rand(batch, 1, *maps.shape[2:], generator=generator) > 0.5).float(),
        keypoint_presence=labelled,
    )
