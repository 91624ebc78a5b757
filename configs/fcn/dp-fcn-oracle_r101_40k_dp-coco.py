# Rows "DensePose*" (Fig. 10) and "DP*" (Fig. 11): the teacher, given true boxes and outlines at
# test; test the teacher's weights with it.
_base_ = "dp-fcn-teacher_r101_40k_dp-coco.py"

model = dict(test_cfg=dict(scales=(0.75, 1.0, 1.25), flip=True, surface=_base_.surface))
