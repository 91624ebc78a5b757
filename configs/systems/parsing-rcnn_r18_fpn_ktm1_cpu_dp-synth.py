# CPU-size twin of parsing-rcnn_r50_fpn_ktm1_s1x_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/parsing-rcnn_r50_fpn_ktm1_s1x_dp-coco.py")
