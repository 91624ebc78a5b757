# CPU-size twin of ktn2_hrnet-w32_hrfpn_s1x_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/ktn2_hrnet-w32_hrfpn_s1x_dp-coco.py")
