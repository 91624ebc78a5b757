# Row "Single task, R101" of table 1.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
