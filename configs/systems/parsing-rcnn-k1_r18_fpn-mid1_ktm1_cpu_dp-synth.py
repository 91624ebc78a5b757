# CPU-size twin of parsing-rcnn-k1_r50_fpn-mid1_ktm1_260k_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/parsing-rcnn-k1_r50_fpn-mid1_ktm1_260k_dp-coco.py")
