# Row "+ KTMv2, R50": the legacy system, its surface classifier generated from box, keypoint and
# part classifiers.
_base_ = "densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import ktm2

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=ktm2(),
            loss=dict(weights=dict(body_mask=2.0, keypoint_heatmaps=0.1)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        )
    ),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)
