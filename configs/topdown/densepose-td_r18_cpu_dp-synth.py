# CPU-size twin of densepose-td_r50_4xb32-140e_dp-coco-256x192.py, crops 128x96.
_base_ = [
    "../_base_/datasets/topdown_densepose_synthetic_128x96.py",
    "../_base_/schedules/topdown_cpu.py",
]
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-td_r50_4xb32-140e_dp-coco-256x192.py")
