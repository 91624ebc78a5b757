# CPU-size twin of ktn2_r50_fpn_s1x_dp-coco.py; `make quickstart` trains it.
_base_ = "densepose-rcnn_r18_fpn-mid2_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=64,
                box_dim=128,
            ),
            loss=dict(weight_keypoint=0.1),
        )
    )
)
