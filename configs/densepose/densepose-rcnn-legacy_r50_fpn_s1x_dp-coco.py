# Row "DensePose R-CNN legacy, R50": no decoder, RoIAlign 14 from all levels, 15-way coarse
# segmentation.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=0.002))

# The papers give this network's GPS with one kappa for all parts, the model zoo with one per part.
val_evaluator = dict(normaliser=("per_part", "global"))
test_evaluator = val_evaluator
