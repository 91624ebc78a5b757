# KTN v2 trained and tested on DensePose-PoseTrack (docs/datasets.md, "Other sets"). No row of
# docs/results.md: no source has a figure of KTN on it.
_base_ = [
    "../_base_/models/ktn2_r50_fpn.py",
    "../_base_/datasets/densepose_posetrack.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4)
