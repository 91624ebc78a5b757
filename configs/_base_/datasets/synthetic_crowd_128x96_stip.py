# The same with STIP's targets: maps twice as large, person mask, keypoint presence.
_base_ = ["synthetic_crowd_128x96.py"]

codec = dict(type="mmktn.RefinedHeatmap", input_size=(96, 128), heatmap_size=(48, 64), sigma=2)
train_pipeline = [
    *_base_.augmentation,
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmktn.SemanticTargets"),
    dict(type="mmpose.PackPoseInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
