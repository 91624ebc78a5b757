# Keypoints as a task of its own: spatial softmax over the cells of the box, no charts.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, num_keypoints=17, with_charts=False),
            loss=dict(weights=dict(keypoint_heatmaps=1.0)),
            decoder=None,
            task_decoders=[dict(type="mmktn.KeypointDecoder", num_keypoints=17)],
        )
    )
)

val_evaluator = dict(
    _delete_=True,
    type="mmktn.OKSMetric",
    score_by="box",
    nms=False,
    ann_file={{_base_.val_evaluator.ann_file}},
)
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.002))
