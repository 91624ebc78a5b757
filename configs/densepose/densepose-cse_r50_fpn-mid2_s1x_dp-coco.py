# CSE with KTN's multi-instance decoder v2 as neck. In no paper.
_base_ = "densepose-cse_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=256, num_levels=4
        )
    )
)
