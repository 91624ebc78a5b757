# SimpleBaseline-R101, COCO 256x192: the baseline row (paper: AP 71.4).
_base_ = "td-hm_r50_4xb32-210e_coco-256x192.py"

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
