# The synthetic set, one person per item, its longer side 128 pixels. Single-person setting.
_base_ = ["densepose_synthetic.py", "person_steps.py"]

augmentation = [
    dict(
        type="mmktn.WarpToPerson",
        longer_side=128,
        expand=1.2,
        scale_jitter=0.2,
        rotation=30.0,
        shift=0.1,
    ),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=_base_.surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
train_pipeline = [*_base_.loading, *augmentation]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmktn.WarpToPerson", longer_side=128, expand=1.2),
    _base_.packing,
]

train_dataloader = dict(
    dataset=dict(type="mmktn.DensePosePersonDataset", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type="mmktn.DensePosePersonDataset", only_densepose_images=True, pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.TopdownPointwiseMetric",
    ann_file=_base_.data_root + "annotations/densepose_val.json",
    surface=_base_.surface,
    own_points=True,
    with_iou=False,
)
test_evaluator = val_evaluator
