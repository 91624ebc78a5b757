# Row "KTN v2 (MIDv2 + KTMv2), HRNet-W32 + HRFPN". The predictor of the released config cannot be
# built, so this is the one of KTN v2 R50. Starts from ImageNet, where the paper's
# keypoint-pretrained detector was never released.
_base_ = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import ktm2, ktn_trunk, mid2

model = dict(
    roi_head=dict(
        densepose_neck=mid2(levels=5),
        densepose_head=dict(
            trunk=ktn_trunk(),
            predictor=ktm2(),
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
