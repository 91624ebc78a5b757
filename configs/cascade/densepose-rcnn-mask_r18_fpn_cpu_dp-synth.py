# CPU-size twin of densepose-rcnn-mask_r50_fpn_230k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic_masks.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        mask_roi_extractor=dict(
            type="mmdet.SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2, aligned=False),
            out_channels=64,
            featmap_strides=[4, 8, 16, 32],
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
