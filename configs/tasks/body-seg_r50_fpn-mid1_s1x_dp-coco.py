# body-seg_r50_fpn_s1x_dp-coco.py on the single map of the multi-instance decoder v1 (form of the
# released code).
_base_ = "body-seg_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV1", channels=256, mode="code"
        ),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=28), featmap_strides=[4]),
        densepose_head=dict(loss=dict(weights=dict(body_mask=5.0))),
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
