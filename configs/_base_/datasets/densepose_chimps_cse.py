# DensePose-Chimps with vertices (layout in docs/cse.md): about three points an animal, one mask.
_base_ = "densepose_coco_cse.py"

_root = "data/densepose_chimps/"

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmktn.DensePoseCocoDataset",
        data_root=_root,
        ann_file="annotations/densepose_chimps_cse_train.json",
        data_prefix=dict(img="images/"),
        annotation_format="chimps",
        only_densepose_images=True,
        pipeline={{_base_.train_pipeline}},
        backend_args={{_base_.backend_args}},
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=_root,
        ann_file="annotations/densepose_chimps_cse_val.json",
        data_prefix=dict(img="images/"),
        annotation_format="chimps",
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=_root + "annotations/densepose_chimps_cse_val.json")
test_evaluator = val_evaluator
