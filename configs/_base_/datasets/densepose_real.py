# Three people on two real photographs in the folder named by MMKTN_REAL_DATA (docs/datasets.md).
# Training and evaluation use the same images: this is for overfitting, to try every link of the
# chain on real data. Flips are off, since no UV symmetry tables belong to this sample.
data_root = "{{$MMKTN_REAL_DATA:data/real}}/"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmdet.Resize", scale=(512, 384), keep_ratio=True),
    dict(type="mmktn.PackDensePoseInputs"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.Resize", scale=(512, 384), keep_ratio=True),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="densepose_real.json",
        data_prefix=dict(img=""),
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
        ann_file="densepose_real.json",
        data_prefix=dict(img=""),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.DensePoseMetric",
    ann_file=data_root + "densepose_real.json",
    surface="human",
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
