# The teacher: DP-FCN on persons whose surroundings are painted grey.
_base_ = [
    "../_base_/models/dp-fcn_r101.py",
    "../_base_/datasets/densepose_coco_teacher.py",
    "../_base_/schedules/fcn_40k.py",
    "../_base_/default_runtime.py",
]

# The background is not learned in training and not answered at test.
model = dict(train_cfg=dict(background_ratio=0.0), test_cfg=dict(scales=(1.0,), person_only=True))
