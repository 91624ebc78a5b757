# DP-FCN: ResNet-101 of stride 8, the pyramid of DeepLab version 2, 1 x 1 classifiers of charts, U
# and V, bilinear x8 before the loss. No layer of it was ever published.
model = dict(
    type="mmktn.ChartFCN",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        mean=[103.530, 116.280, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_seg=True,
        seg_pad_value=255,
        pad_size_divisor=8,
    ),
    backbone=dict(
        type="mmdet.ResNet",
        depth=101,
        num_stages=4,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        style="caffe",
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    ),
    chart_head=dict(
        type="mmktn.DensePoseHead",
        trunk=dict(type="mmktn.SummedASPPTrunk", in_channels=2048, channels=256),
        predictor=dict(
            type="mmktn.ChartPredictor",
            in_channels=256,
            conv_kernel=1,
            coarse_channels=0,
            upscale=8,
            init_cfg=dict(type="Normal", layer="Conv2d", std=0.01),
        ),
        # Errors of U and V are about 0.1: the weight of their means balances a cross entropy.
        loss=dict(
            type="mmktn.ChartLoss",
            weights=dict(fine_segm=1.0, u=10.0, v=10.0),
            uv_reduction="mean",
            half_pixel=True,
        ),
        decoder=dict(type="mmktn.ChartDecoder", mask_source="fine_segm"),
    ),
    train_cfg=dict(background_ratio=1.0),
    test_cfg=dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5)),
)
