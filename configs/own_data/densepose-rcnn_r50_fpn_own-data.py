# Your own data: copy this file to where you like, and change the four lines below. What they mean,
# and how the files are checked before training, is in docs/tutorials/own-data.md.
annotations = dict(train="data/mine/train.json", val="data/mine/val.json")
images = dict(train="data/mine/train/", val="data/mine/val/")
surface = "data/densepose_surface"  # whose chart coordinates the annotations are
schedule = dict(iterations=10000, images=8, rate=0.005)  # images per step, on each GPU

_base_ = [
    "mmktn::_base_/models/densepose-rcnn_r50_fpn.py",
    "mmktn::_base_/default_runtime.py",
]

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(
        type="RandomChoiceResize",
        resize_type="mmdet.Resize",
        scales=[(1333, 640), (1333, 720), (1333, 800)],
        keep_ratio=True,
        backend="pillow",
    ),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.Resize", scale=(1333, 800), keep_ratio=True, backend="pillow"),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=schedule["images"],
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="mmdet.AspectRatioBatchSampler"),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        ann_file=annotations["train"],
        data_prefix=dict(img=images["train"]),
        only_densepose_images=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        ann_file=annotations["val"],
        data_prefix=dict(img=images["val"]),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="mmktn.DensePoseMetric",
    ann_file=annotations["val"],
    surface=surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
tta_model = dict(surface=surface)

train_cfg = dict(
    type="IterBasedTrainLoop",
    max_iters=schedule["iterations"],
    val_interval=max(schedule["iterations"] // 5, 1),
)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        begin=0,
        end=schedule["iterations"],
        milestones=[schedule["iterations"] * 3 // 4, schedule["iterations"] * 9 // 10],
        gamma=0.1,
    ),
]
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=schedule["rate"], momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
auto_scale_lr = dict(base_batch_size=schedule["images"])

# Published weights to start from, converted at their first use; None trains from ImageNet's.
load_from = None  # "mmktn://densepose-rcnn_r50_fpn_s1x"
