# DensePose-Chimps (layout in docs/datasets.md), evaluation only: about three points an animal, on
# the charts of the human body, and one mask of the whole animal. Thresholds from 0.2 up, as
# detectron2's relaxed protocol has them. Training keeps DensePose-COCO.
_base_ = "densepose_coco.py"

_data_root = "data/densepose_chimps/"
_ann_file = "annotations/densepose_chimps_full_v2.json"

val_dataloader = dict(
    dataset=dict(
        data_root=_data_root,
        ann_file=_ann_file,
        data_prefix=dict(img="images/"),
        annotation_format="chimps",
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=_data_root + _ann_file, min_threshold=0.2)
test_evaluator = val_evaluator
