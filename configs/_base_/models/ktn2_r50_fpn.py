# KTN v2: MIDv2, KTN trunk, KTMv2.
_base_ = "densepose-rcnn_r50_fpn-mid2.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=512,
                box_dim=1024,
            ),
            loss=dict(weights=dict(keypoint_heatmaps=0.1)),
        )
    )
)
