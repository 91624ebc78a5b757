# Narrow twin of densepose-rcnn-star_r50_fpn-mid1.py.
_base_ = "densepose-rcnn_r18_fpn.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV1", channels=64, mode="code"
        ),
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True),
            loss=dict(weights=dict(coarse_segm=0.0, body_mask=5.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.1),
        ),
    )
)
