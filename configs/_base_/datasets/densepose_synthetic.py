# The synthetic set (tools/dataset_converters/make_synthetic.py; layout in docs/datasets.md).
data_root = "data/synthetic_densepose/"
surface = "human"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="annotations/densepose_train.json",
        data_prefix=dict(img="train/"),
        only_densepose_images=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="annotations/densepose_val.json",
        data_prefix=dict(img="val/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.DensePoseMetric",
    ann_file=data_root + "annotations/densepose_val.json",
    surface=surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
