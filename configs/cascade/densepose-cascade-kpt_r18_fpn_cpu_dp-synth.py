# CPU-size twin of densepose-cascade-kpt_r50_fpn_230k_dp-coco.py.
_base_ = "densepose-rcnn-kpt_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        type="mmktn.CascadeDensePoseRoIHead",
        fusion=dict(
            type="mmktn.CrossTaskFusion",
            in_channels=64,
            prediction_channels=107,
            channels=64,
        ),
    )
)
