# The same with STIP's targets at the baseline's resolution (ResNet variant): person mask, keypoint
# presence.
_base_ = ["crowdpose_256x192.py"]

codec = dict(type="mmktn.RefinedHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
train_pipeline = [
    *_base_.augmentation,
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmktn.SemanticTargets"),
    dict(type="mmpose.PackPoseInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
