# SimpleBaseline-R50, fully convolutional, 256x192, KTM v2 (paper: GPS AP 62.9).
_base_ = "densepose-td_r50_4xb32-140e_dp-coco-256x192.py"

model = dict(
    head=dict(
        densepose_head=dict(
            predictor=dict(
                type="mmktn.KTMv2ChartPredictor", sources=["keypoint", "part"], num_keypoints=17
            )
        )
    )
)
