# Row "Multi-task: + masks, R50": Mask R-CNN's mask branch beside the DensePose branch.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn_multitask.py",
    "../_base_/datasets/densepose_coco_masks.py",
    "../_base_/schedules/multitask_230k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        mask_roi_extractor=dict(
            type="mmdet.SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2, aligned=False),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type="mmdet.FCNMaskHead",
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
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
test_evaluator = [
    *val_evaluator,
    # Fig. 11 gives areas under the ratio of correct points.
    dict(
        type="mmktn.PointwiseDensePoseMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        surface={{_base_.surface}},
    ),
]

train_dataloader = dict(batch_size=1)
