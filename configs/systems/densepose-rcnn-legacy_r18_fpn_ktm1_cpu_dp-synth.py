# CPU-size twin of densepose-rcnn-legacy_r50_fpn_ktm1_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
