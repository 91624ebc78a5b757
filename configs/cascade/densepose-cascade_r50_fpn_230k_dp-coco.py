# Row "Cascade: DensePose-ST, R50": two stages of the DensePose branch alone.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"
from mmktn.utils.config_parts import cascade

model = dict(roi_head=cascade(90))
