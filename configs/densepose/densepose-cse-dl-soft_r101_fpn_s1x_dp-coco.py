# Row "CSE DL soft, R101".
_base_ = "densepose-cse-dl-soft_r50_fpn_s1x_dp-coco.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
