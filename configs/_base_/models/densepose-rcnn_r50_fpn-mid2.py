# MIDv2 and the KTN trunk, ordinary predictors, no keypoints.
_base_ = "densepose-rcnn_r50_fpn.py"
from mmktn.utils.config_parts import ktn_trunk, mid2

model = dict(
    roi_head=dict(
        densepose_neck=mid2(),
        densepose_head=dict(
            trunk=ktn_trunk(),
            predictor=dict(coarse_channels=15, with_body_mask=True),
            # The weights of U and V belong to 4 images per GPU in the KTN configs.
            loss=dict(
                weights=dict(fine_segm=1.0, u=0.01, v=0.01, coarse_segm=2.0, body_mask=5.0),
                uv_reference_images=4,
            ),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        ),
    ),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)
