# UltraPose (layout in docs/datasets.md): rendered people, thousands of points each, in the layout
# and format of DensePose-COCO; its evaluation uses the surface files of DensePose-COCO.
_base_ = "densepose_coco.py"

data_root = "data/ultrapose/"
_format = "ultrapose"

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file="annotations/densepose_train2014.json",
        data_prefix=dict(img="train2014/"),
        annotation_format=_format,
        only_densepose_images=True,
        pipeline={{_base_.train_pipeline}},
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file="annotations/densepose_valminusminival2014.json",
        data_prefix=dict(img="val2014/"),
        annotation_format=_format,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + "annotations/densepose_valminusminival2014.json")
test_evaluator = val_evaluator
