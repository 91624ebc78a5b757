# Row "Cascade: DensePose-ST, R50": two stages of the DensePose branch alone.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=256,
            prediction_channels=90,
            channels=256,
        ),
    )
)
