# Row "Multi-task: + masks, R50": Mask R-CNN's mask branch beside the DensePose branch.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"
from mmktn.utils.config_parts import each_file, with_step

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

train_pipeline = with_step(_base_.train_pipeline, "mmdet.LoadAnnotations", with_mask=True)
train_dataloader = dict(dataset=each_file(_base_.train_dataloader, pipeline=train_pipeline))

val_evaluator = [
    *_base_.val_evaluator,
    dict(
        type="mmdet.CocoMetric",
        ann_file=_base_.pointwise_evaluator.ann_file,
        metric=["bbox", "segm"],
    ),
]
test_evaluator = [*val_evaluator, _base_.pointwise_evaluator]
