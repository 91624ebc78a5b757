# DensePose-COCO for top-down systems at 256x192: every person with dense pose is an item, box x
# 1.25, flip with UV symmetry, scale 0.35, rotation 45 degrees in 6 of 10 cases.
# Read by mmpose's inferencers.
dataset_type = "mmktn.TopdownDensePoseDataset"
data_mode = "topdown"
data_root = "data/coco/"
surface = "data/densepose_surface"
input_size = (192, 256)
backend_args = None

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args=backend_args),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmktn.TopdownDensePoseFlip", prob=0.5, surface=surface),
    dict(type="mmpose.GetBBoxCenterScale", padding=1.25),
    dict(type="mmktn.ClippedBoxJitter", scale_deviation=0.35, rotation_deviation=45),
    dict(type="mmktn.TopdownDensePoseAffine", input_size=input_size),
    dict(type="mmktn.PackTopdownDensePose"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args=backend_args),
    dict(type="mmpose.GetBBoxCenterScale", padding=1.25),
    dict(type="mmktn.TopdownDensePoseAffine", input_size=input_size),
    dict(type="mmktn.PackTopdownDensePose"),
]

# Workers that start anew each epoch make a resumed run exact.
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="mmengine.ConcatDataset",
        datasets=[
            dict(
                type="mmktn.TopdownDensePoseDataset",
                data_root=data_root,
                ann_file=f"annotations/densepose_coco_2014_{split}.json",
                data_prefix=dict(img=""),
                only_densepose_images=True,
                pipeline=train_pipeline,
                backend_args=backend_args,
            )
            for split in ("train", "valminusminival")
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="mmktn.TopdownDensePoseDataset",
        data_root=data_root,
        ann_file="annotations/densepose_coco_2014_minival.json",
        data_prefix=dict(img=""),
        # Annotated boxes; for a detector's, the result file of its test (configs/topdown).
        bbox_file=None,
        max_per_image=20,
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.TopdownDensePoseMetric",
    ann_file=data_root + "annotations/densepose_coco_2014_minival.json",
    surface=surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
