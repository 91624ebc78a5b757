# Narrow ResNet-18 twin of topdown-densepose_r50.py, for CPU-size runs from random weights.
_base_ = "topdown-densepose_r50.py"

model = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        # There are no weights to start from, so no block starts as the identity.
        zero_init_residual=False,
        init_cfg=None,
    ),
    head=dict(
        surface="human",
        densepose_head=dict(
            trunk=dict(in_channels=256, channels=(64, 64, 64)),
            predictor=dict(in_channels=64),
            loss=dict(uv_reference_images=16),
        ),
    ),
)
