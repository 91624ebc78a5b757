# DensePose-LVIS ds1 (layout in docs/cse.md): nine animals, about three points each, masks of all.
_base_ = "densepose_coco_cse.py"

animals = ("bear", "cow", "cat", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
categories = {name: name for name in animals}

train_pipeline = [
    dict(
        step,
        **{
            "mmdet.LoadAnnotations": dict(with_mask=True),
            "mmktn.LoadDensePoseAnnotations": dict(with_coarse_map=False),
        }.get(step.type, {}),
    )
    for step in _base_.train_pipeline
]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmktn.DensePoseCocoDataset",
        data_root=_base_.data_root,
        ann_file="annotations/densepose_lvis_v1_ds1_train_v1.json",
        data_prefix=dict(img=""),
        categories=categories,
        pipeline=train_pipeline,
        backend_args=_base_.backend_args,
    ),
)
val_dataloader = dict(
    dataset=dict(ann_file="annotations/densepose_lvis_v1_ds1_val_v1.json", categories=categories)
)
test_dataloader = val_dataloader

val_evaluator = dict(
    ann_file=_base_.data_root + "annotations/densepose_lvis_v1_ds1_val_v1.json",
    categories=categories,
)
test_evaluator = val_evaluator
