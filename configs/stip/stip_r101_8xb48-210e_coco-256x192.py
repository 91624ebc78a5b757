# SimpleBaseline-R101, COCO 256x192: the STIP row (paper: AP 72.1).
_base_ = "stip_r50_8xb48-210e_coco-256x192.py"

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
