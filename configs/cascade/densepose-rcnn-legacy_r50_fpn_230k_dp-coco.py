# Row "Single task, R50" of table 1: the DensePose branch alone, schedule of the multi-task rows,
# whose base it is.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn_multitask.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/multitask_230k.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=1)

val_evaluator = [
    dict(
        type="mmktn.DensePoseMetric",
        ann_file={{_base_.val_evaluator.ann_file}},
        surface={{_base_.surface}},
        metric=("gps", "gpsm"),
        normaliser=("per_part", "global"),
    ),
]
# Fig. 11 gives areas under the ratio of correct points.
pointwise_evaluator = dict(
    type="mmktn.PointwiseDensePoseMetric",
    ann_file={{_base_.val_evaluator.ann_file}},
    surface={{_base_.surface}},
)
test_evaluator = [*val_evaluator, pointwise_evaluator]
