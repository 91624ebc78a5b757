# Row "DP-RCNN distillations" of Fig. 11 of the DensePose paper: its DensePose R-CNN, trained also
# with the dense labels of a teacher. Row "DP-RCNN, points only":
# configs/densepose/densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco_distill.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=0.002))
