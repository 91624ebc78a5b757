# KTM v2 on the narrow ResNet-18: surface classifier from the keypoint and part classifiers; there
# is no box head to learn from.
_base_ = "topdown-densepose_r18.py"

model = dict(
    head=dict(
        densepose_head=dict(predictor=dict(type="mmktn.ConvKTMv2ChartPredictor", num_keypoints=17))
    )
)
