# Row "Cascade: DensePose-ST, R50": two stages of the DensePose branch alone. methods 3.3.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/multitask_230k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=256,
            prediction_channels=90,
            channels=256,
        ),
        # The multi-task configs pool boxes at 14 as well.
        bbox_roi_extractor=dict(roi_layer=dict(output_size=14)),
        bbox_head=dict(roi_feat_size=14),
        densepose_head=dict(loss=dict(uv_reference_images=1)),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=20)),
)

val_evaluator = [
    dict(
        type="mmktn.DensePoseMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        surface={{_base_.surface}},
        metric=("gps", "gpsm"),
        normaliser=("per_part", "global"),
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

# One image a GPU, eight GPUs; the weights of U and V belong to it.
train_dataloader = dict(batch_size=1)
