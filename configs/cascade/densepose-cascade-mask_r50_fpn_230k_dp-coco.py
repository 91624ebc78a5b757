# Row "Cascade: + masks, R50": the stages exchange charts and masks.
_base_ = "densepose-rcnn-mask_r50_fpn_230k_dp-coco.py"
from mmktn.utils.config_parts import cascade

# Masks read the features of the DensePose branch, not some pooled apart.
model = dict(roi_head=dict(cascade(91), mask_roi_extractor=None))
