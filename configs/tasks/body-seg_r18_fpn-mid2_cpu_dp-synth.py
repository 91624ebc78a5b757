# CPU-size twin of body-seg_r50_fpn-mid2_s1x_dp-coco.py.
_base_ = "body-seg_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=64, num_levels=4
        ),
        densepose_roi_extractor=dict(featmap_strides=[4]),
        densepose_head=dict(
            trunk=dict(
                _delete_=True, type="mmktn.KTNTrunk", in_channels=64, channels=64, num_convs=4
            ),
            loss=dict(weights=dict(body_mask=5.0)),
        ),
    ),
)
