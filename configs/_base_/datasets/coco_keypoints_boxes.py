# COCO 2017 keypoints for detectors with a keypoint branch: all persons of an image, images with at
# least one labelled keypoint. Its training images hold no image of DensePose-COCO minival.
data_root = "data/coco/"
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
    # No chart coordinates here: no tables of a surface are needed to mirror.
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, uv_symmetry="none"),
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
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="annotations/person_keypoints_train2017.json",
        data_prefix=dict(img="train2017/"),
        validation="structure",
        filter_cfg=dict(filter_empty_gt=True, min_keypoints=1),
        pipeline=train_pipeline,
        backend_args=backend_args,
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
        ann_file="annotations/person_keypoints_val2017.json",
        data_prefix=dict(img="val2017/"),
        validation="structure",
        test_mode=True,
        pipeline=test_pipeline,
        backend_args=backend_args,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="mmktn.OKSMetric",
    ann_file=data_root + "annotations/person_keypoints_val2017.json",
    score_by="box",
    nms=False,
)
test_evaluator = val_evaluator
