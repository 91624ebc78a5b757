# A narrow and shallow HRNet (width 16, one module of one block a stage), the backbone of STIP's
# CPU-size runs, from random weights.
_base_ = "topdown-densepose_hrnet-w32.py"

model = dict(
    backbone=dict(
        extra=dict(
            stage1=dict(num_blocks=(1,), num_channels=(32,)),
            stage2=dict(num_blocks=(1, 1), num_channels=(16, 32)),
            stage3=dict(num_modules=1, num_blocks=(1, 1, 1), num_channels=(16, 32, 64)),
            stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1), num_channels=(16, 32, 64, 128)),
        ),
        # mmpose's deviation of 0.001 presumes pretrained weights.
        init_cfg=[
            dict(type="Kaiming", layer="Conv2d"),
            dict(type="Constant", layer="BatchNorm2d", val=1),
        ],
    ),
    head=dict(
        surface="human",
        densepose_head=dict(
            trunk=dict(in_channels=16),
            predictor=dict(in_channels=16),
            loss=dict(uv_reference_images=16),
        ),
    ),
)
