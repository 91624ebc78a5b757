# CPU-size twin of ktn2_r50_fpn_s1x_dp-coco.py; `make train-demo` trains it.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/ktn2_r50_fpn_s1x_dp-coco.py")
