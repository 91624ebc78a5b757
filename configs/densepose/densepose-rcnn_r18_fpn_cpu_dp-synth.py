# CPU-size twin of densepose-rcnn_r50_fpn_s1x_dp-coco.py: narrow ResNet-18 from random weights, synthetic people.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        style="pytorch",
        init_cfg=None,
    ),
    data_preprocessor=dict(std=[57.375, 57.12, 58.395]),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(
        in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4], ratios=[1.0, 2.0])
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=128),
        densepose_neck=dict(in_channels=64, channels=64, out_channels=64),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=14), out_channels=64),
        densepose_head=dict(
            trunk=dict(in_channels=64, channels=64, num_convs=4),
            predictor=dict(in_channels=64),
        ),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=400, max_per_img=200),
        rcnn=dict(sampler=dict(num=64), densepose_fg_iou=0.6),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)

default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}), logger=dict(interval=20))
