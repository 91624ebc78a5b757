# Row "Multi-task: + keypoints, R50": a keypoint branch beside the DensePose branch, on the features
# that it pools.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"

model = dict(
    roi_head=dict(
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
            loss=dict(type="mmktn.ChartLoss", weights=dict(keypoint_heatmaps=1.0)),
            task_decoders=[dict(type="mmktn.KeypointDecoder", num_keypoints=17)],
        ),
    ),
)

val_evaluator = [
    *_base_.val_evaluator,
    dict(
        type="mmktn.OKSMetric",
        ann_file=_base_.pointwise_evaluator.ann_file,
        score_by="box",
        nms=False,
    ),
]
test_evaluator = [*val_evaluator, _base_.pointwise_evaluator]
