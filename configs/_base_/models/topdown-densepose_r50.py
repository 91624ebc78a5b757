# SimpleBaseline-R50 for dense pose: three transposed convolutions of 256 channels, 1x1 classifiers
# of I, U, V, parts and body, bilinear x2; losses and decoder of KTN.
model = dict(
    type="mmktn.TopdownDensePoseEstimator",
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
        type="mmktn.TopdownDensePoseHead",
        # Symmetry tables for the flip test.
        surface="data/densepose_surface",
        densepose_head=dict(
            type="mmktn.DensePoseHead",
            trunk=dict(type="mmktn.DeconvTrunk", in_channels=2048, channels=(256, 256, 256)),
            predictor=dict(
                type="mmktn.ChartPredictor",
                in_channels=256,
                coarse_channels=15,
                with_body_mask=True,
                conv_kernel=1,
                upscale=2,
                # Small first answers, as in mmpose's heads: U and V start near 0, not far off.
                init_cfg=dict(type="Normal", layer="Conv2d", std=0.01),
            ),
            loss=dict(
                type="mmktn.ChartLoss",
                weights=dict(coarse_segm=2.0, body_mask=5.0, keypoint_heatmaps=0.1),
                # Crops per GPU: the number that the weight of U and V belongs to.
                uv_reference_images=32,
                # Cells lie where decoding puts them. There are no released weights to agree with,
                # and a crop's cells are three times those of a RoI.
                half_pixel=True,
            ),
            decoder=dict(type="mmktn.ChartDecoder", mask_source="body_mask", mask_threshold=0.3),
            chunk_size=32,
        ),
    ),
    # True: average with the mirrored crop; U and V go through the surface's symmetry tables.
    test_cfg=dict(flip_test=False),
)
