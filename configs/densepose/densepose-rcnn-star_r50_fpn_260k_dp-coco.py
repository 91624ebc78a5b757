# Row "RCNN* (KTN's baseline), R50": the legacy system with a two-way body mask instead of coarse
# parts.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True),
            loss=dict(weights=dict(coarse_segm=0.0, body_mask=2.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        )
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200)),
)
