# Row "+ KTMv1, R50": RCNN* with its surface classifier generated from the keypoint classifier; the
# knowledge graph stays as given. The paper starts from a keypoint-pretrained detector that was
# never released; this config starts from ImageNet.
_base_ = "densepose-rcnn-star_r50_fpn_260k_dp-coco.py"
from mmktn.utils.config_parts import ktm1

model = dict(
    roi_head=dict(
        bbox_head=dict(loss_bbox=dict(_delete_=True, type="mmdet.SmoothL1Loss", beta=0.5)),
        # Keypoints on 56 x 56 cells, as in all rows of KTM v1.
        densepose_head=ktm1(graph=dict(trainable=False), mlp=True, keypoint_upscale=2),
    )
)
