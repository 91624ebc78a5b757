# KTN v2 on EfficientNet-Lite0 for CPUs: maps start at stride 8, which makes pyramid, proposals and
# decoder four times as cheap as at stride 4.
_base_ = "../tta_densepose.py"

channels = 64

model = dict(
    type="mmdet.FasterRCNN",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        # What the ImageNet weights were trained on.
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="mmktn.EfficientNetLite",
        arch="lite0",
        out_indices=(2, 4, 6),
        frozen_stages=3,
        norm_eval=True,
    ),
    neck=dict(type="mmdet.FPN", in_channels=[40, 112, 320], out_channels=channels, num_outs=4),
    rpn_head=dict(
        type="mmdet.RPNHead",
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(
            type="mmdet.AnchorGenerator",
            scales=[2.8, 4.2],
            ratios=[0.5, 1.0, 2.0, 3.0],
            strides=[8, 16, 32, 64],
        ),
        bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder", target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type="mmdet.L1Loss", loss_weight=1.0),
    ),
    roi_head=dict(
        type="mmktn.DensePoseRoIHead",
        bbox_roi_extractor=dict(
            type="mmdet.SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2, aligned=True),
            out_channels=channels,
            featmap_strides=[8, 16, 32],
        ),
        bbox_head=dict(
            type="mmdet.Shared2FCBBoxHead",
            in_channels=channels,
            fc_out_channels=128,
            roi_feat_size=7,
            num_classes=1,
            bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type="mmdet.L1Loss", loss_weight=1.0),
        ),
        densepose_neck=dict(type="mmktn.MultiInstanceDecoderV2", channels=channels, num_levels=3),
        densepose_roi_extractor=dict(
            type="mmdet.SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2, aligned=True),
            out_channels=channels,
            featmap_strides=[8],
        ),
        densepose_head=dict(
            type="mmktn.DensePoseHead",
            trunk=dict(type="mmktn.KTNTrunk", in_channels=channels, channels=channels, num_convs=4),
            predictor=dict(
                type="mmktn.KTMv2ChartPredictor", in_channels=channels, box_dim=128, upscale=1
            ),
            loss=dict(
                type="mmktn.ChartLoss",
                weights=dict(coarse_segm=2.0, body_mask=5.0, keypoint_heatmaps=0.1),
                uv_reference_images=8,
                half_pixel=True,
            ),
            decoder=dict(type="mmktn.ChartDecoder", mask_source="body_mask", mask_threshold=0.3),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.6,
                neg_iou_thr=0.3,
                min_pos_iou=0.2,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type="mmdet.RandomSampler",
                num=128,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=200, max_per_img=60, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type="mmdet.RandomSampler",
                # Two people per image learn charts: more boxes of the same person cost more than
                # they teach.
                num=16,
                pos_fraction=0.15,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
            pos_weight=-1,
            debug=False,
            densepose_fg_iou=0.6,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=200, max_per_img=40, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(
            score_thr=0.05,
            nms=dict(type="nms", iou_threshold=0.5),
            max_per_img=20,
            # The small box head finds parts of people again as people.
            max_body_overlap=0.5,
        ),
    ),
)
