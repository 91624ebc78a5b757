# Row "DP-FCN" of Fig. 11 of the DensePose paper: whole images, five scales.
_base_ = [
    "../_base_/models/dp-fcn_r101.py",
    "../_base_/datasets/densepose_coco_fcn.py",
    "../_base_/schedules/fcn_40k.py",
    "../_base_/default_runtime.py",
]
