# DensePose R-CNN on HRNet-W32 with detectron2's HRFPN (densepose_rcnn_HRFPN_HRNet_w32_s1x): levels
# p1 ... p5 of strides 4 ... 64 for proposals, boxes and the decoder.
_base_ = "densepose-rcnn_r50_fpn.py"
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    # Nothing is padded but to the largest image of a batch, as in the official code: the backbone
    # crops odd maps instead.
    data_preprocessor=dict(pad_size_divisor=1),
    backbone=dict(
        _delete_=True,
        type="mmktn.CroppingHRNet",
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        extra=hrnet_stages(32),
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
