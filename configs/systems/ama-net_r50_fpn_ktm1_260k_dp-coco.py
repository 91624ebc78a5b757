# Row "AMA-net + KTM, R50": its 3 x 3 surface classifier generated from the keypoint classifier.
_base_ = "ama-net_r50_fpn_260k_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.ConvKTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
