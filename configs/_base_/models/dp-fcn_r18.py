# Narrow ResNet-18 twin of dp-fcn_r101.py, small enough for a CPU; trained from random weights.
_base_ = "dp-fcn_r101.py"

model = dict(
    data_preprocessor=dict(std=[57.375, 57.12, 58.395]),
    backbone=dict(
        depth=18,
        base_channels=24,
        stem_channels=24,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        style="pytorch",
        # There are no weights to start from, so no block starts as the identity.
        zero_init_residual=False,
        init_cfg=None,
    ),
    chart_head=dict(
        # Rates that fit maps of 20 x 16 cells.
        trunk=dict(in_channels=192, channels=64, rates=(1, 2, 4, 6)),
        predictor=dict(in_channels=64),
    ),
    test_cfg=dict(scales=(0.75, 1.0, 1.25)),
)
