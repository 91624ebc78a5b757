# COCO train2017 -> val2017 keypoints at 256x192, targets 64x48. Boxes at test: the usual
# detections of 56.4 AP.
# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedCocoDataset"
data_mode = "topdown"
data_root = "data/coco/"
codec = dict(type="mmpose.MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2)

augmentation = [
    dict(type="mmpose.LoadImage"),
    dict(type="mmktn.ReleasedBoxCenterScale"),
    dict(type="mmpose.RandomFlip", direction="horizontal"),
    # The official code takes the upper body where a standard normal is below 0.5.
    dict(type="mmpose.RandomHalfBody", upper_prioritized_prob=0.69),
    dict(type="mmktn.ClippedBoxJitter", scale_deviation=0.35, rotation_deviation=45),
]
train_pipeline = [
    *augmentation,
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

# Workers that start anew each epoch make a resumed run exact.
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="mmktn.CheckedCocoDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        data_prefix=dict(img="train2017/"),
        pipeline=train_pipeline,
    ),
)
# Validation during training: annotated boxes, as the official code. Test: a detector's.
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="mmktn.CheckedCocoDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader["dataset"],
        bbox_file=data_root
        + "person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
    ),
)

val_evaluator = dict(
    type="mmktn.OKSMetric",
    ann_file=data_root + "annotations/person_keypoints_val2017.json",
    prefix="coco",
)
test_evaluator = val_evaluator
