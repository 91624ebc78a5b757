# densepose-rcnn_r50_fpn.py with the DeepLab trunk (ASPP, then eight normalised convolutions).
_base_ = "densepose-rcnn_r50_fpn.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.DeepLabTrunk", in_channels=256, channels=512)
        )
    )
)
