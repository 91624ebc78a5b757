# The synthetic set with person masks, for mask branches.
_base_ = "densepose_synthetic.py"
from mmktn.utils.config_parts import with_step

train_pipeline = with_step(_base_.train_pipeline, "mmdet.LoadAnnotations", with_mask=True)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
