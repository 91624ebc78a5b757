# CPU-size twin of densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py.
_base_ = "ktn2_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                _delete_=True,
                type="mmktn.ChartPredictor",
                in_channels=64,
                coarse_channels=15,
                with_body_mask=True,
                upscale=1,
            )
        )
    )
)
