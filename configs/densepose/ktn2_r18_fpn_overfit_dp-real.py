# The small KTN v2 on the three people in the folder named by MMKTN_REAL_DATA: every link of the chain on real photographs.
_base_ = [
    "../_base_/models/ktn2_r18_fpn.py",
    "../_base_/datasets/densepose_real.py",
    "../_base_/schedules/cpu.py",
    "../_base_/default_runtime.py",
]

# Both images in every batch; no flips and no other augmentation, since these people are to be learned by heart.
default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}), logger=dict(interval=20))
