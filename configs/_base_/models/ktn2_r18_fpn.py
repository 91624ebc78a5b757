# Narrow twin of KTN v2 (configs/densepose/ktn2_r50_fpn_s1x_dp-coco.py).
_base_ = "densepose-rcnn_r18_fpn.py"

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV2", channels=64, num_levels=4
        ),
        densepose_head=dict(
            trunk=dict(
                _delete_=True, type="mmktn.KTNTrunk", in_channels=64, channels=64, num_convs=4
            ),
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=64,
                box_dim=128,
                upscale=1,
            ),
            loss=dict(weights=dict(coarse_segm=2.0, body_mask=5.0, keypoint_heatmaps=0.1)),
            # Thin limbs are blurred on these coarse maps: the best GPS AP on training images.
            decoder=dict(mask_source="body_mask", mask_threshold=0.1),
        ),
    )
)
