# DensePose-COCO (2014 files; layout in docs/datasets.md), as detectron2 DensePose trains on it:
# images with dense pose only, short side one of six sizes, horizontal flip.
# Resized by Pillow, as detectron2 does: OpenCV's bilinear shrinks without smoothing, and converted
# weights would see other pixels.
data_root = "data/coco/"
# Folder with the official surface files (docs/surface.md): flip tables for training, distances for
# evaluation.
surface = "data/densepose_surface"
backend_args = None

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args=backend_args),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(
        type="RandomChoiceResize",
        resize_type="mmdet.Resize",
        scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
        keep_ratio=True,
        backend="pillow",
    ),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args=backend_args),
    dict(type="mmdet.Resize", scale=(1333, 800), keep_ratio=True, backend="pillow"),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    batch_sampler=dict(type="mmdet.AspectRatioBatchSampler"),
    dataset=dict(
        type="mmdet.ConcatDataset",
        datasets=[
            dict(
                type="mmktn.DensePoseCocoDataset",
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
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="annotations/densepose_coco_2014_minival.json",
        data_prefix=dict(img=""),
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.DensePoseMetric",
    ann_file=data_root + "annotations/densepose_coco_2014_minival.json",
    surface=surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
