# Row "Multi-task: + keypoints, R50": a keypoint branch beside the DensePose branch, on the features
# that it pools. methods 3.2.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/multitask_230k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        # The multi-task configs pool boxes at 14 as well.
        bbox_roi_extractor=dict(roi_layer=dict(output_size=14)),
        bbox_head=dict(roi_feat_size=14),
        densepose_head=dict(loss=dict(uv_reference_images=1)),
        keypoint_head=dict(
            type="mmktn.DensePoseHead",
            trunk=dict(type="mmktn.ConvTrunk", in_channels=256, channels=512, num_convs=8),
            predictor=dict(
                type="mmktn.ChartPredictor",
                in_channels=512,
                coarse_channels=0,
                num_keypoints=17,
                with_charts=False,
            ),
            loss=dict(type="mmktn.ChartLoss", weight_keypoint=1.0),
            task_decoders=[dict(type="mmktn.KeypointDecoder", num_keypoints=17)],
        ),
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
    dict(
        type="mmktn.OKSMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        score_by="box",
        nms=False,
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
