# Row "+ MIDv2 without background suppression, R50": no dilated branches.
_base_ = "densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py"

model = dict(roi_head=dict(densepose_neck=dict(with_multi_dilation=False)))
