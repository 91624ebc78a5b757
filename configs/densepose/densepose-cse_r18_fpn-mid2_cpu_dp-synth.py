# The twin of CSE with KTN's multi-instance decoder v2 as neck. In no paper.
_base_ = "densepose-cse_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=64, num_levels=4
        )
    )
)
