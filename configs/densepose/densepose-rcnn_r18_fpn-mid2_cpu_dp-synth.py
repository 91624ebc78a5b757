# CPU-size twin of densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py")
