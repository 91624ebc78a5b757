# Row "CSE DL, R50".
_base_ = "densepose-cse_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.DeepLabTrunk", in_channels=256, channels=512)
        )
    )
)
