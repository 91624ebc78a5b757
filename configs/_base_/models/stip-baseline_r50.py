# SimpleBaseline-R50: the baseline of the ResNet rows of STIP. 256x192, 14 keypoints.
model = dict(
    type="mmpose.TopdownPoseEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="mmpose.ResNet",
        depth=50,
        out_indices=(3,),
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    head=dict(
        type="mmpose.HeatmapHead",
        in_channels=2048,
        out_channels=14,
        loss=dict(type="mmpose.KeypointMSELoss", use_target_weight=True, loss_weight=0.5),
        decoder=dict(
            type="mmpose.MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2
        ),
    ),
    test_cfg=dict(flip_test=True, flip_mode="heatmap", shift_heatmap=True),
)
