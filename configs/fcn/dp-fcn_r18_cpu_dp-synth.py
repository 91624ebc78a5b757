# CPU-size twin of dp-fcn_r101_40k_dp-coco.py.
_base_ = [
    "../_base_/models/dp-fcn_r18.py",
    "../_base_/datasets/densepose_synthetic_fcn.py",
    "../_base_/schedules/cpu.py",
    "../_base_/default_runtime.py",
]

default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}), logger=dict(interval=20))
