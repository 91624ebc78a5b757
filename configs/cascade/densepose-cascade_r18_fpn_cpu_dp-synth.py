# CPU-size twin of densepose-cascade_r50_fpn_230k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=64,
            prediction_channels=90,
            channels=64,
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
]
test_evaluator = val_evaluator
