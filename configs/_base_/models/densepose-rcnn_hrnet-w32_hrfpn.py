# DensePose R-CNN on HRNet-W32 with detectron2's HRFPN (densepose_rcnn_HRFPN_HRNet_w32_s1x): levels
# p1 ... p5 of strides 4 ... 64 for proposals, boxes and the decoder.
_base_ = "densepose-rcnn_r50_fpn.py"

model = dict(
    # Nothing is padded but to the largest image of a batch, as in the official code: the backbone
    # crops odd maps instead.
    data_preprocessor=dict(pad_size_divisor=1),
    backbone=dict(
        _delete_=True,
        type="mmktn.CroppingHRNet",
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block="BOTTLENECK",
                num_blocks=(4,),
                num_channels=(64,),
            ),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block="BASIC",
                num_blocks=(4, 4),
                num_channels=(32, 64),
            ),
            stage3=dict(
                num_modules=4,
                num_branches=3,
                block="BASIC",
                num_blocks=(4, 4, 4),
                num_channels=(32, 64, 128),
            ),
            stage4=dict(
                num_modules=3,
                num_branches=4,
                block="BASIC",
                num_blocks=(4, 4, 4, 4),
                num_channels=(32, 64, 128, 256),
            ),
        ),
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://msra/hrnetv2_w32"),
    ),
    neck=dict(
        _delete_=True, type="mmktn.KTNHRFPN", in_channels=[32, 64, 128, 256], out_channels=256
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(featmap_strides=[4, 8, 16, 32, 64]),
        densepose_neck=dict(num_levels=5),
    ),
)
