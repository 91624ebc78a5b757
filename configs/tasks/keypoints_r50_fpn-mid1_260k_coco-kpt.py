# Keypoint pre-training of KTN v1: same neck and trunk, so that `load_from` finds every weight but
# those of the charts.
_base_ = "keypoints_r50_fpn_260k_coco-kpt.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV1", channels=256, mode="code"
        ),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=28), featmap_strides=[4]),
    )
)
