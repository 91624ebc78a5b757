# CPU-size twin of densepose-rcnn_r50_fpn_s1x_dp-coco.py: narrow ResNet-18, synthetic people.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-rcnn_r50_fpn_s1x_dp-coco.py")
