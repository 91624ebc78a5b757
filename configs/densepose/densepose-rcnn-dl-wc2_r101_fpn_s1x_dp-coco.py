# Row "DensePose R-CNN DL WC2, R101".
_base_ = "densepose-rcnn-dl-wc1_r101_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=["sigma_2", "kappa_u", "kappa_v"])))
)
