# CPU-size twin of ama-net_r50_fpn_260k_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow

model = narrow(
    "{{fileDirname}}/ama-net_r50_fpn_260k_dp-coco.py",
    roi_head=dict(densepose_roi_extractor=dict(output_sizes=[16, 8, 8, 4])),
)
