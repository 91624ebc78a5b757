# Keypoint pre-training of KTN v2: same neck and trunk, so that `load_from` finds every weight but
# those of the charts.
_base_ = "keypoints_r50_fpn_260k_coco-kpt.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=256, num_levels=4
        ),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=28), featmap_strides=[4]),
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.KTNTrunk", in_channels=256, channels=512)
        ),
    )
)
