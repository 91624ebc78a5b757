# Row "DensePose R-CNN, HRNet-W32 + HRFPN". As in the released geometry, the right and lower 32
# pixels of an image reach no level; `neck.aligned=True` mends that.
_base_ = [
    "../_base_/models/densepose-rcnn_hrnet-w32_hrfpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

# Learning rate 0.03 belongs to 16 images per iteration, and to gradients of which each tensor is
# clipped to norm 1 by itself, as the official code does.
optim_wrapper = dict(
    optimizer=dict(lr=0.03),
    constructor="mmktn.TensorClipConstructor",
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
