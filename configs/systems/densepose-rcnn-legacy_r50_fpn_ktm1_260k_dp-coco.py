# Row "DensePose R-CNN + KTM, R50": the network of the CVPR paper (coarse parts, mask by their
# argmax), its surface classifier generated from the keypoint classifier. Which config the paper's
# row had is not known.
_base_ = "densepose-rcnn-legacy_r50_fpn_260k_dp-coco.py"
from mmktn.utils.config_parts import ktm1

# Keypoints on 56 x 56 cells, as in all rows of KTM v1.
model = dict(roi_head=dict(densepose_head=ktm1(keypoint_upscale=2)))
