# A narrow and shallow HRNet (width 16, one module of one block a stage) for CPU-size runs, from
# random weights.
_base_ = ["stip-baseline_hrnet-w32.py"]
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    backbone=dict(
        # The published deviation of 0.001 presumes pretrained weights.
        init_cfg=[
            dict(type="Kaiming", layer="Conv2d"),
            dict(type="Constant", layer="BatchNorm2d", val=1),
        ],
        extra=hrnet_stages(16, stem=32, blocks=1, modules=(1, 1, 1)),
    ),
    head=dict(in_channels=16, decoder=dict(input_size=(96, 128), heatmap_size=(24, 32), sigma=1.5)),
    train_cfg=dict(compute_acc=False),
)
