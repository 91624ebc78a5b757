# The two CrowdPose images (five persons) in the folder named by MMKTN_REAL_DATA, at 128x96: train
# and test on the same persons, ground-truth boxes, no augmentation.
# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedCrowdPoseDataset"
data_mode = "topdown"
data_root = "{{$MMKTN_REAL_DATA:data/real}}/crowdpose/"
codec = dict(type="mmktn.RefinedHeatmap", input_size=(96, 128), heatmap_size=(48, 64), sigma=2)

val_pipeline = [
    dict(type="mmpose.LoadImage"),
    dict(type="mmpose.GetBBoxCenterScale"),
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.PackPoseInputs"),
]
train_pipeline = [
    *val_pipeline[:-1],
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmktn.SemanticTargets"),
    dict(type="mmpose.PackPoseInputs"),
]
dataset = dict(
    type="mmktn.CheckedCrowdPoseDataset", data_root=data_root, ann_file="test_crowdpose.json"
)
loader = dict(num_workers=0, persistent_workers=False)

train_dataloader = dict(
    batch_size=5,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(pipeline=train_pipeline, **dataset),
    **loader,
)
val_dataloader = dict(
    batch_size=8,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(pipeline=val_pipeline, test_mode=True, **dataset),
    **loader,
)
test_dataloader = val_dataloader

val_evaluator = dict(type="mmktn.CrowdPoseMetric", ann_file=data_root + "test_crowdpose.json")
test_evaluator = val_evaluator
