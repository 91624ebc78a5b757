# The model that ships as it ships: KTM folded into the kernel that it made. Training starts from
# its weights; `make quickstart` shows it.
_base_ = "ktn2_efficientnet-lite0_fpn_cpu_dp-synth.py"

model = dict(
    backbone=dict(init_cfg=None),
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(folded=True),
            loss=dict(weights=dict(fine_segm=1.5, body_mask=4.0, keypoint_heatmaps=0.2)),
        )
    ),
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=100),
        rcnn=dict(sampler=dict(num=40, pos_fraction=0.25), densepose_max_rois=3),
    ),
)
load_from = "mmktn://ktn_efficientnet-lite0"
max_iters = 300

# Whole people and parts of them, in milder colours than before.
train_pipeline = [
    {
        "mmktn.RandomWarpCrop": dict(step, crop_size=(160, 208), scale_range=(0.55, 1.35)),
        "mmdet.PhotoMetricDistortion": dict(
            step,
            brightness_delta=20,
            contrast_range=(0.75, 1.3),
            saturation_range=(0.7, 1.3),
            hue_delta=8,
        ),
        "mmktn.RandomDegrade": dict(type="RandomApply", transforms=[step], prob=0.3),
    }.get(step.type, step)
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.00007))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=10, end=max_iters, eta_min_ratio=0.02),
]
