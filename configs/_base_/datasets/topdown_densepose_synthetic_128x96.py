# The synthetic set (tools/dataset_converters/make_synthetic.py) for top-down systems, crops 128x96.
# Read by mmpose's inferencers.
dataset_type = "mmktn.TopdownDensePoseDataset"
data_mode = "topdown"
data_root = "data/synthetic_densepose/"
surface = "human"
input_size = (96, 128)

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmktn.TopdownDensePoseFlip", prob=0.5, surface=surface),
    dict(type="mmpose.GetBBoxCenterScale", padding=1.25),
    dict(type="mmktn.ClippedBoxJitter", scale_deviation=0.2, rotation_deviation=20),
    dict(type="mmktn.TopdownDensePoseAffine", input_size=input_size),
    dict(type="mmktn.PackTopdownDensePose"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmpose.GetBBoxCenterScale", padding=1.25),
    dict(type="mmktn.TopdownDensePoseAffine", input_size=input_size),
    dict(type="mmktn.PackTopdownDensePose"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmktn.TopdownDensePoseDataset",
        data_root=data_root,
        ann_file="annotations/densepose_train.json",
        data_prefix=dict(img="train/"),
        only_densepose_images=True,
        pipeline=train_pipeline,
    ),
)
# Annotated boxes: what is compared is the dense-pose network.
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="mmktn.TopdownDensePoseDataset",
        data_root=data_root,
        ann_file="annotations/densepose_val.json",
        data_prefix=dict(img="val/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.TopdownDensePoseMetric",
    ann_file=data_root + "annotations/densepose_val.json",
    surface=surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
