# SimpleBaseline-R50, fully convolutional, 256x192, KTM v1.
_base_ = "densepose-td_r50_4xb32-140e_dp-coco-256x192.py"

model = dict(
    head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.ConvKTMv1ChartPredictor", num_keypoints=17),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
