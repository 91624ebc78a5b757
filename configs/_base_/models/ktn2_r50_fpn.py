# KTN v2: MIDv2, KTN trunk, KTMv2.
_base_ = "densepose-rcnn_r50_fpn-mid2.py"
from mmktn.utils.config_parts import ktm2

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=ktm2(),
            loss=dict(weights=dict(keypoint_heatmaps=0.1)),
        )
    )
)
