# Keypoint pre-training of KTN v1: same neck and trunk, so that `load_from` finds every weight but
# those of the charts.
_base_ = "keypoints_r50_fpn_260k_coco-kpt.py"
from mmktn.utils.config_parts import mid1, on_one_map

model = dict(roi_head=on_one_map(mid1()))
