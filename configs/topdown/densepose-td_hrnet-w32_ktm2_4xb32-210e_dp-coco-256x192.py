# HRNet-W32, fully convolutional, 256x192, KTM v2 (paper: GPS AP 66.1).
_base_ = "densepose-td_hrnet-w32_4xb32-210e_dp-coco-256x192.py"

model = dict(
    head=dict(
        densepose_head=dict(
            predictor=dict(
                type="mmktn.KTMv2ChartPredictor", sources=["keypoint", "part"], num_keypoints=17
            )
        )
    )
)
