# DensePose-COCO with person masks, for mask branches.
_base_ = "densepose_coco.py"
from mmktn.utils.config_parts import each_file, with_step

train_pipeline = with_step(_base_.train_pipeline, "mmdet.LoadAnnotations", with_mask=True)
train_dataloader = dict(dataset=each_file(_base_.train_dataloader, pipeline=train_pipeline))
