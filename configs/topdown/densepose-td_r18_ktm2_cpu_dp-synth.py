# CPU-size twin of densepose-td_r50_ktm2_4xb32-140e_dp-coco-256x192.py, crops 128x96.
_base_ = [
    "../_base_/models/topdown-densepose_r18_ktm2.py",
    "../_base_/datasets/topdown_densepose_synthetic_128x96.py",
    "../_base_/schedules/topdown_cpu.py",
    "../_base_/topdown_runtime_cpu.py",
]

default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}))
