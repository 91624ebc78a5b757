# Row "KTN v2 (MIDv2 + KTMv2), HRNet-W32 + HRFPN". The predictor of the released config cannot be
# built, so this is the one of KTN v2 R50. Starts from ImageNet, where the paper's
# keypoint-pretrained detector was never released.
_base_ = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=256, num_levels=5
        ),
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.KTNTrunk", in_channels=256, channels=512),
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=512,
                box_dim=1024,
            ),
            loss=dict(
                weights=dict(
                    fine_segm=1.0,
                    u=0.01,
                    v=0.01,
                    coarse_segm=2.0,
                    body_mask=5.0,
                    keypoint_heatmaps=0.1,
                ),
                # The weights of U and V belong to 4 images per GPU in the KTN configs.
                uv_reference_images=4,
            ),
            decoder=dict(mask_source="body_mask", mask_threshold=0.3),
        ),
    ),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)

train_dataloader = dict(batch_size=4)
