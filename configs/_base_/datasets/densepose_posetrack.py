# DensePose-PoseTrack (layout in docs/datasets.md): frames of videos, same fields as DensePose-COCO,
# regions that are not evaluated, keypoints in PoseTrack's order.
_base_ = "densepose_coco.py"

data_root = "data/posetrack/"
_format = "posetrack"
_ann_file = "densepose_only_posetrack_{}2017.json"

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmktn.DensePoseCocoDataset",
        data_root=data_root,
        ann_file=_ann_file.format("train"),
        data_prefix=dict(img=""),
        annotation_format=_format,
        only_densepose_images=True,
        pipeline={{_base_.train_pipeline}},
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=_ann_file.format("val"),
        annotation_format=_format,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + _ann_file.format("val"))
test_evaluator = val_evaluator
