# CPU-size twin of densepose-cascade-mask_r50_fpn_230k_dp-coco.py.
_base_ = "densepose-rcnn-mask_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=64,
            prediction_channels=91,
            channels=64,
        ),
        # Masks read the features of the DensePose branch, not some pooled apart.
        mask_roi_extractor=None,
    )
)
