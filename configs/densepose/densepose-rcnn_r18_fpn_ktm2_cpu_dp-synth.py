# CPU-size twin of densepose-rcnn_r50_fpn_ktm2_s1x_dp-coco.py.
_base_ = "densepose-rcnn-legacy_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=64,
                box_dim=128,
                upscale=1,
            ),
            loss=dict(weights=dict(body_mask=2.0, keypoint_heatmaps=0.1)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.1),
        )
    )
)
