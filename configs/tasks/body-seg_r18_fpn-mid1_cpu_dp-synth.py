# CPU-size twin of body-seg_r50_fpn-mid1_s1x_dp-coco.py.
_base_ = "body-seg_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV1", channels=64, mode="code"
        ),
        densepose_roi_extractor=dict(featmap_strides=[4]),
        densepose_head=dict(loss=dict(weights=dict(body_mask=5.0))),
    ),
)
