# CPU-size twin of body-seg_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True, with_charts=False),
            loss=dict(weights=dict(body_mask=2.0)),
            decoder=None,
            task_decoders=[
                dict(
                    type="mmktn.RegionDecoder",
                    source="body_mask",
                    name="body_regions",
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
