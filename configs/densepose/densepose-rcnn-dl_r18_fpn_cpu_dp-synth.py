# CPU-size twin of densepose-rcnn-dl_r50_fpn_s1x_dp-coco.py.
_base_ = "densepose-rcnn_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            trunk=dict(
                _delete_=True,
                type="mmktn.DeepLabTrunk",
                in_channels=64,
                channels=64,
                num_convs=4,
            )
        )
    )
)
