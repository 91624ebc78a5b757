# CPU-size twin of densepose-cascade_r50_fpn_230k_dp-coco.py.
_base_ = "../_base_/cpu_twin.py"
from mmktn.utils.config_parts import narrow, scores_of

model = narrow("{{fileDirname}}/densepose-cascade_r50_fpn_230k_dp-coco.py")
val_evaluator = scores_of(
    "{{fileDirname}}/densepose-cascade_r50_fpn_230k_dp-coco.py", _base_.val_evaluator
)
test_evaluator = val_evaluator
