# Row "Cascade: + keypoints, R50": the stages exchange charts and keypoints.
_base_ = "densepose-rcnn-kpt_r50_fpn_230k_dp-coco.py"

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=256,
            prediction_channels=107,
            channels=256,
        ),
    )
)
