# The synthetic set for fully convolutional systems: whole images, warped at random.
_base_ = "densepose_synthetic.py"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmktn.LoadPersonMap"),
    dict(type="mmktn.RandomWarpCrop", crop_size=(128, 160), scale_range=(0.4, 0.7), rotation=30.0),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=_base_.surface),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

val_evaluator = dict(
    _delete_=True,
    type="mmktn.PointwiseDensePoseMetric",
    ann_file=_base_.data_root + "annotations/densepose_val.json",
    surface=_base_.surface,
)
test_evaluator = val_evaluator
