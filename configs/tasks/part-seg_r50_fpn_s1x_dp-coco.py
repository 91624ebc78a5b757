# Part segmentation as a task of its own: background and 14 parts (S15), no charts.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=15, with_charts=False),
            loss=dict(weights=dict(coarse_segm=2.0)),
            decoder=None,
            task_decoders=[
                dict(
                    type="mmktn.SegmentationDecoder", source="coarse_segm", name="part_segmentation"
                )
            ],
        )
    )
)

val_evaluator = dict(
    _delete_=True,
    type="mmktn.PartSegmentationMetric",
    ann_file={{_base_.val_evaluator.ann_file}},
)
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.002))
