# body-seg_r50_fpn_s1x_dp-coco.py on the single map of the multi-instance decoder v2, with the KTN
# trunk.
_base_ = "body-seg_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import ktn_trunk, mid2, on_one_map

model = dict(
    roi_head=on_one_map(mid2(), trunk=ktn_trunk(), loss=dict(weights=dict(body_mask=5.0))),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
