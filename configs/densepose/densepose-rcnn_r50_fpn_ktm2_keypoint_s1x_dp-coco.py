# Row "+ KTMv2, keypoint path alone, R50": the surface classifier is generated from the keypoint
# classifier.
_base_ = "densepose-rcnn_r50_fpn_ktm2_s1x_dp-coco.py"

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(sources=["keypoint"]))))
