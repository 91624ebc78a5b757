# The project's synthetic crowd (14 keypoints, crowdIndex spread over easy, medium, hard) at
# 128x96, targets 32x24. Make it first:
#   python tools/dataset_converters/make_synthetic.py --crowd --format crowdpose coco \
#       --out data/synthetic_crowd --train 300 --val 80 --size 192 256
# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedCrowdPoseDataset"
data_mode = "topdown"
data_root = "data/synthetic_crowd/"
codec = dict(type="mmpose.MSRAHeatmap", input_size=(96, 128), heatmap_size=(24, 32), sigma=1.5)

augmentation = [
    dict(type="mmpose.LoadImage"),
    dict(type="mmpose.GetBBoxCenterScale"),
    dict(type="mmpose.RandomFlip", direction="horizontal"),
    dict(type="mmktn.ClippedBoxJitter", scale_deviation=0.25, rotation_deviation=20),
]
train_pipeline = [
    *augmentation,
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.GenerateTarget", encoder=codec),
    dict(type="mmpose.PackPoseInputs"),
]
val_pipeline = [
    dict(type="mmpose.LoadImage"),
    dict(type="mmpose.GetBBoxCenterScale"),
    dict(type="mmpose.TopdownAffine", input_size=codec["input_size"]),
    dict(type="mmpose.PackPoseInputs"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="mmktn.CheckedCrowdPoseDataset",
        data_root=data_root,
        ann_file="annotations/crowdpose_train.json",
        data_prefix=dict(img="train/"),
        pipeline=train_pipeline,
    ),
)
# Ground-truth boxes: what is compared is the pose network.
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="mmktn.CheckedCrowdPoseDataset",
        data_root=data_root,
        ann_file="annotations/crowdpose_val.json",
        data_prefix=dict(img="val/"),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.CrowdPoseMetric", ann_file=data_root + "annotations/crowdpose_val.json"
)
test_evaluator = val_evaluator
