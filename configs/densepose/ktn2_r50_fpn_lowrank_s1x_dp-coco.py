# Row "KTN v2, low-rank KTM, R50": both layers of the perceptron are products of rank 256, with
# 10.8 M weights instead of 209.7 M. In no paper; for training where memory is short.
_base_ = "ktn2_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(densepose_head=dict(predictor=dict(transformer=dict(kind="low_rank", rank=256))))
)
