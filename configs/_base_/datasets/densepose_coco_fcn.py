# DensePose-COCO for fully convolutional systems: whole images, warped at random.
_base_ = "densepose_coco.py"
from mmktn.utils.config_parts import each_file

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmktn.LoadPersonMap"),
    dict(type="mmktn.RandomWarpCrop", crop_size=(512, 512), scale_range=(0.5, 2.0), rotation=30.0),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=_base_.surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
# About the size of the images themselves, as in training.
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.Resize", scale=(640, 640), keep_ratio=True),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]

train_dataloader = dict(
    batch_sampler=None,
    dataset=each_file(_base_.train_dataloader, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.PointwiseDensePoseMetric",
    ann_file=_base_.data_root + "annotations/densepose_coco_2014_minival.json",
    surface=_base_.surface,
)
test_evaluator = val_evaluator
