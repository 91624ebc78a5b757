# DensePose-COCO with the dense labels of a teacher; docs/distillation.md says how to write them.
_base_ = "densepose_coco.py"

# Any RoI config becomes a student by this: each of the joined files takes the labels.
dense_labels = "data/coco/dense_labels"
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(item, dense_labels=dense_labels)
            for item in _base_.train_dataloader.dataset.datasets
        ]
    )
)

# The paper's figures of distillation are areas under the ratio of correct points.
test_evaluator = [
    dict(_base_.val_evaluator, normaliser=("per_part", "global")),
    dict(
        type="mmktn.PointwiseDensePoseMetric",
        ann_file=_base_.val_evaluator.ann_file,
        surface=_base_.surface,
    ),
]
