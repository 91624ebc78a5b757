# DensePose-LVIS ds2 (layout in docs/cse.md): nine animals, about three points each, masks of all.
_base_ = "densepose_lvis1_cse.py"

train_dataloader = dict(dataset=dict(ann_file="annotations/densepose_lvis_v1_ds2_train_v1.json"))
val_dataloader = dict(dataset=dict(ann_file="annotations/densepose_lvis_v1_ds2_val_v1.json"))
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=_base_.data_root + "annotations/densepose_lvis_v1_ds2_val_v1.json")
test_evaluator = val_evaluator
