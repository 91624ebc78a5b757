# CPU-size twin of ktn2_hrnet-w32_hrfpn_s1x_dp-coco.py.
_base_ = "densepose-rcnn_hrnet-w16n_hrfpn_cpu_dp-synth.py"

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
            loss=dict(
                weights=dict(
                    fine_segm=1.0,
                    u=0.01,
                    v=0.01,
                    coarse_segm=2.0,
                    body_mask=5.0,
                    keypoint_heatmaps=0.1,
                ),
            ),
            decoder=dict(mask_source="body_mask", mask_threshold=0.1),
        ),
    ),
)
