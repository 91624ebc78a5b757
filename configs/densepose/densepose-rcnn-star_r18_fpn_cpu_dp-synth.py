# CPU-size twin of densepose-rcnn-star_r50_fpn_260k_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-rcnn-star_r50_fpn_260k_dp-coco.py")
