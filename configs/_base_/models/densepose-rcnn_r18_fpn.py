# Narrow ResNet-18 twin of densepose-rcnn_r50_fpn.py, small enough for a CPU; trained from random
# weights.
_base_ = "densepose-rcnn_r50_fpn.py"

tta_model = dict(tta_cfg=dict(max_per_img=20), surface="human")
tta_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
                dict(type="mmdet.Resize", scale=(200, 160), keep_ratio=True),
            ],
            [
                dict(type="mmdet.RandomFlip", prob=0.0),
                dict(type="mmdet.RandomFlip", prob=1.0),
            ],
            [
                dict(
                    type="mmktn.PackDensePoseInputs",
                    meta_keys=(
                        "img_id",
                        "img_path",
                        "ori_shape",
                        "img_shape",
                        "scale_factor",
                        "flip",
                        "flip_direction",
                    ),
                )
            ],
        ],
    ),
]

model = dict(
    data_preprocessor=dict(std=[57.375, 57.12, 58.395]),
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        style="pytorch",
        # There are no weights to start from, so no block starts as the identity.
        zero_init_residual=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(
        in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4], ratios=[1.0, 2.0])
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=128),
        densepose_neck=dict(in_channels=64, channels=64, out_channels=64),
        densepose_roi_extractor=dict(roi_layer=dict(output_size=14), out_channels=64),
        densepose_head=dict(
            trunk=dict(in_channels=64, channels=64, num_convs=4),
            # Maps of 28 x 28 cells, of the transposed convolutions alone: enough for these small
            # images.
            predictor=dict(in_channels=64, upscale=1),
            # Half a cell of these maps is up to two pixels of a person; there are no released
            # weights to agree with.
            loss=dict(uv_reference_images=8, half_pixel=True),
        ),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        # Up to five boxes of people per image: more of the same person cost more than they teach.
        rcnn=dict(sampler=dict(num=20), densepose_fg_iou=0.6),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)
