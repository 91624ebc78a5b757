# KTN v2 trained and tested on UltraPose (docs/datasets.md, "Other sets"). No row of
# docs/results.md: no source has a figure of KTN on it.
_base_ = [
    "../_base_/models/ktn2_r50_fpn.py",
    "../_base_/datasets/densepose_ultrapose.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4)
