# CPU-size twin of densepose-cascade-mask_r50_fpn_230k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic_masks.py",
    "../_base_/schedules/cpu.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=64,
            prediction_channels=91,
            channels=64,
        ),
        mask_head=dict(
            type="mmdet.FCNMaskHead",
            num_convs=2,
            in_channels=64,
            conv_out_channels=64,
            num_classes=1,
            loss_mask=dict(type="mmdet.CrossEntropyLoss", use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=28)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)

val_evaluator = [
    dict(
        type="mmktn.DensePoseMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        surface={{_base_.surface}},
        metric=("gps", "gpsm"),
        normaliser=("per_part", "global"),
    ),
    dict(
        type="mmdet.CocoMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        metric=["bbox", "segm"],
    ),
]
test_evaluator = val_evaluator

default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}), logger=dict(interval=20))
