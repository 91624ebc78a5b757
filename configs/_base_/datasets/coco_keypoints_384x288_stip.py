# The same with STIP's targets: maps twice as large (sigma + 1), person mask, keypoint presence.
_base_ = ["coco_keypoints_384x288.py"]

codec = dict(type="mmktn.RefinedHeatmap", input_size=(288, 384), heatmap_size=(144, 192), sigma=4)
train_pipeline = [
    *_base_.augmentation,
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmktn.SemanticTargets"),
    dict(type="mmpose.PackPoseInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
