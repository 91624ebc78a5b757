# RCNN* (a two-way body mask instead of coarse parts) on the single map of the multi-instance
# decoder v1.
_base_ = "densepose-rcnn_r50_fpn.py"
from mmktn.utils.config_parts import mid1

model = dict(
    roi_head=dict(
        densepose_neck=mid1(),
        densepose_head=dict(
            predictor=dict(coarse_channels=0, with_body_mask=True),
            loss=dict(weights=dict(coarse_segm=0.0, body_mask=5.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200)),
)
