# CPU-size twin of dp-fcn-teacher_r101_40k_dp-coco.py.
_base_ = [
    "../_base_/models/dp-fcn_r18.py",
    "../_base_/datasets/densepose_synthetic_teacher.py",
    "../_base_/schedules/cpu.py",
]

model = dict(train_cfg=dict(background_ratio=0.0), test_cfg=dict(scales=(1.0,), person_only=True))
