# CPU-size twin of part-seg_r50_fpn_s1x_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow, scores_of

model = narrow("{{fileDirname}}/part-seg_r50_fpn_s1x_dp-coco.py")
val_evaluator = scores_of("{{fileDirname}}/part-seg_r50_fpn_s1x_dp-coco.py", _base_.val_evaluator)
test_evaluator = val_evaluator
