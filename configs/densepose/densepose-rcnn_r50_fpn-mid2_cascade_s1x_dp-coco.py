# Row "+ MIDv2 with a cascade, R50": each level is added to the next finer one, as in the figure of
# the paper.
_base_ = "densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py"

model = dict(roi_head=dict(densepose_neck=dict(topdown="cascade")))
