# Row "DensePose R-CNN DL, R50": the DeepLab trunk (ASPP, then eight normalised convolutions).
_base_ = "densepose-rcnn_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.DeepLabTrunk", in_channels=256, channels=512)
        )
    )
)
