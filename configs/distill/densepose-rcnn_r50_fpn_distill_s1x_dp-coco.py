# Today's DensePose R-CNN, trained also with the dense labels of a teacher; no row of a paper.
# methods 4; docs/distillation.md says how to write the labels.
_base_ = "../densepose/densepose-rcnn_r50_fpn_s1x_dp-coco.py"

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
    {{_base_.test_evaluator}},
    dict(
        type="mmktn.PointwiseDensePoseMetric",
        ann_file={{_base_.test_evaluator.ann_file}},
        surface={{_base_.surface}},
    ),
]
