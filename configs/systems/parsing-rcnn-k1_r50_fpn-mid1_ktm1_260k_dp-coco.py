# Row "Parsing R-CNN + KTM, R50", in the form of KTN's authors.
_base_ = "parsing-rcnn-k1_r50_fpn-mid1_260k_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
