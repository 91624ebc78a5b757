# The same at 384x288, targets 96x72.
_base_ = ["coco_keypoints_256x192.py"]

codec = dict(type="mmpose.MSRAHeatmap", input_size=(288, 384), heatmap_size=(72, 96), sigma=3)
train_pipeline = [
    *_base_.augmentation,
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmpose.PackPoseInputs"),
]
val_pipeline = [
    dict(type="mmpose.LoadImage"),
    dict(type="mmktn.ReleasedBoxCenterScale"),
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.PackPoseInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
