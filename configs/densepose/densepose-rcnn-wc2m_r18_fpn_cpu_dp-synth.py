# CPU-size twin of densepose-rcnn-wc2m_r50_fpn_s1x_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-rcnn-wc2m_r50_fpn_s1x_dp-coco.py")
