# Parsing R-CNN as KTN's authors rebuilt it for their "+ KTM" row, without KTM: DeepLab trunk on the
# map of MIDv1, RoIAlign 28.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]
from mmktn.utils.config_parts import mid1

model = dict(
    roi_head=dict(
        densepose_neck=mid1(),
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.DeepLabTrunk", in_channels=256, channels=512),
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200)),
)
