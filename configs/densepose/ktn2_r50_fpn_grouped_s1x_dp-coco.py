# Row "KTN v2, grouped KTM, R50": both layers of the perceptron are block-diagonal over channels in
# 16 blocks, with 13.1 M weights instead of 209.7 M. In no paper; saves memory.
_base_ = "ktn2_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(densepose_head=dict(predictor=dict(transformer=dict(kind="grouped", groups=16))))
)
