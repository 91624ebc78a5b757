# Body segmentation as a task of its own: the body mask M of KTN's baseline, its weight and
# threshold, no charts.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True, with_charts=False),
            loss=dict(weights=dict(body_mask=2.0)),
            decoder=None,
            task_decoders=[
                dict(
                    type="mmktn.SegmentationDecoder",
                    source="body_mask",
                    name="body_segmentation",
                    mask_threshold=0.3,
                )
            ],
        )
    )
)

val_evaluator = dict(
    _delete_=True,
    type="mmktn.BodyMaskMetric",
    ann_file={{_base_.val_evaluator.ann_file}},
)
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.002))
