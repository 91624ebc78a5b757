# KTM v1 on the narrow ResNet-18: surface classifier from the keypoint classifier.
_base_ = "topdown-densepose_r18.py"

model = dict(
    head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.ConvKTMv1ChartPredictor", num_keypoints=17),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
