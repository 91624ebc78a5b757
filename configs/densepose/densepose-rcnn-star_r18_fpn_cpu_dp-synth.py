# CPU-size twin of densepose-rcnn-star_r50_fpn_260k_dp-coco.py.
_base_ = "densepose-rcnn-legacy_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True),
            loss=dict(weights=dict(coarse_segm=0.0, body_mask=2.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.1),
        )
    )
)
