"""The stage table of a narrow HRNet, read off its official weights."""


def hrnet_extra(weights):
    """Read the stage table off the weights, so that any narrow HRNet of the layout loads."""

    def count(prefix, position):
        return len({n.split(".")[position] for n in weights if n.startswith(prefix)})

    width = weights["stage2.0.branches.0.0.conv1.weight"].shape[0]
    stem = weights["layer1.0.conv1.weight"].shape[0]
    extra = {
        "stage1": {
            "num_modules": 1,
            "num_branches": 1,
            "block": "BOTTLENECK",
            "num_blocks": (count("layer1.", 1),),
            "num_channels": (stem,),
        }
    }
    for stage in (2, 3, 4):
        extra[f"stage{stage}"] = {
            "num_modules": count(f"stage{stage}.", 1),
            "num_branches": stage,
            "block": "BASIC",
            "num_blocks": (count(f"stage{stage}.0.branches.0.", 4),) * stage,
            "num_channels": tuple(width * 2**branch for branch in range(stage)),
        }
    return extra
