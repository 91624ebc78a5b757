# CPU-size twin of densepose-rcnn-mask_r50_fpn_230k_dp-coco.py.
_base_ = [
    "../_base_/datasets/densepose_synthetic_masks.py",
    "../_base_/schedules/cpu.py",
    "../_base_/tta_synthetic.py",
]
from mmktn.utils.config_parts import narrow, scores_of

model = narrow(
    "{{fileDirname}}/densepose-rcnn-mask_r50_fpn_230k_dp-coco.py",
    roi_head=dict(mask_head=dict(num_convs=2)),
)
val_evaluator = scores_of(
    "{{fileDirname}}/densepose-rcnn-mask_r50_fpn_230k_dp-coco.py", _base_.val_evaluator
)
test_evaluator = val_evaluator
