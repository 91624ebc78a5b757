# CPU-size twin of densepose-rcnn-kpt_r50_fpn_230k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        keypoint_head=dict(
            type="mmktn.DensePoseHead",
            trunk=dict(type="mmktn.ConvTrunk", in_channels=64, channels=64, num_convs=4),
            predictor=dict(
                type="mmktn.ChartPredictor",
                in_channels=64,
                coarse_channels=0,
                num_keypoints=17,
                with_charts=False,
                upscale=1,
            ),
            loss=dict(type="mmktn.ChartLoss", weights=dict(keypoint_heatmaps=1.0)),
            task_decoders=[dict(type="mmktn.KeypointDecoder", num_keypoints=17)],
        ),
    ),
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
test_evaluator = val_evaluator
