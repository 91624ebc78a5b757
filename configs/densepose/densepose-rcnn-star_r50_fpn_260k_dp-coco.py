# Row "RCNN* (KTN's baseline), R50": the legacy system with a two-way body mask instead of coarse
# parts. methods.md 1.1, 9.4.
_base_ = "densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py"

max_iters = 260000

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True),
            loss=dict(weight_coarse_segm=0.0, weight_body_mask=2.0),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        )
    )
)

# Learning rate 0.002 belongs to 8 images an iteration, 260 k iterations.
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1000),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[200000, 240000],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=8)
