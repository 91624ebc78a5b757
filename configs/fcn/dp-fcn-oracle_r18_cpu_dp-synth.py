# CPU-size twin of dp-fcn-oracle_r101_40k_dp-coco.py: test the teacher's weights with it.
_base_ = "dp-fcn-teacher_r18_cpu_dp-synth.py"

model = dict(test_cfg=dict(scales=(0.75, 1.0, 1.25), flip=True, surface=_base_.surface))
