# Row "Cascade: + masks, R50": the stages exchange charts and masks.
_base_ = "densepose-rcnn-mask_r50_fpn_230k_dp-coco.py"

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=256,
            prediction_channels=91,
            channels=256,
        ),
        # Masks read the features of the DensePose branch, not some pooled apart.
        mask_roi_extractor=None,
    )
)
