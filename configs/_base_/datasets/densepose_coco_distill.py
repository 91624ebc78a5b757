# DensePose-COCO with the dense labels of a teacher; docs/distillation.md says how to write them.
_base_ = "densepose_coco.py"
from mmktn.utils.config_parts import each_file

# Any RoI config becomes a student by this: each of the joined files takes the labels.
dense_labels = "data/coco/dense_labels"
train_dataloader = dict(
    dataset=each_file(_base_.train_dataloader, dense_labels=dense_labels),
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
