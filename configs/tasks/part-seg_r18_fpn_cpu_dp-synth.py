# CPU-size twin of part-seg_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=15, with_charts=False),
            loss=dict(weights=dict(coarse_segm=2.0)),
            decoder=None,
            task_decoders=[
                dict(type="mmktn.RegionDecoder", source="coarse_segm", name="part_regions")
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
