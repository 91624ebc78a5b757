# keypoints_r50_fpn_s1x_dp-coco.py on the single map of the multi-instance decoder v2, with the KTN
# trunk.
_base_ = "keypoints_r50_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=256, num_levels=4
        ),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=28), featmap_strides=[4]),
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.KTNTrunk", in_channels=256, channels=512)
        ),
    ),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
