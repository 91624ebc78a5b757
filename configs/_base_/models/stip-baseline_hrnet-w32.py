# HRNet-W32 with a plain heat-map head: the baseline of every STIP row. 256x192, 14 keypoints,
# quarter-pixel decoding.
_base_ = []
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    type="mmpose.TopdownPoseEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="mmktn.StagedHRNet",
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
        ),
        extra=hrnet_stages(32),
    ),
    head=dict(
        type="mmpose.HeatmapHead",
        in_channels=32,
        out_channels=14,
        deconv_out_channels=None,
        # mmpose's mean has no factor 1/2, the official loss has.
        loss=dict(type="mmpose.KeypointMSELoss", use_target_weight=True, loss_weight=0.5),
        decoder=dict(
            type="mmpose.MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2
        ),
    ),
    test_cfg=dict(flip_test=True, flip_mode="heatmap", shift_heatmap=True),
)
