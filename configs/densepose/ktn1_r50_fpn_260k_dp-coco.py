# Row "KTN v1 (MIDv1 + KTMv1), R50"; the knowledge graph is learned. The paper starts from a
# keypoint-pretrained detector that was never released; this config from ImageNet.
_base_ = "densepose-rcnn-star_r50_fpn-mid1_260k_dp-coco.py"
from mmktn.utils.config_parts import ktm1

model = dict(
    roi_head=dict(
        densepose_head=ktm1(graph=dict(trainable=True), mlp=True),
    ),
    train_cfg=dict(rcnn=dict(densepose_fg_iou=0.65)),
)

# Learning rate 0.01 belongs to 8 images per iteration.
optim_wrapper = dict(optimizer=dict(lr=0.01))
