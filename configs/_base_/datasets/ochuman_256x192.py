# OCHuman at 256x192, ground-truth boxes, test only: a COCO model meets heavy occlusion unseen. The
# train part is COCO's and not used.
_base_ = ["coco_keypoints_256x192.py"]

# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedOCHumanDataset"
data_root = "data/ochuman/"
val_dataloader = dict(
    dataset=dict(
        type="mmktn.CheckedOCHumanDataset",
        data_root=data_root,
        ann_file="annotations/ochuman_coco_format_val_range_0.00_1.00.json",
        data_prefix=dict(img="images/"),
    )
)
test_dataloader = dict(
    dataset=dict(
        type="mmktn.CheckedOCHumanDataset",
        data_root=data_root,
        ann_file="annotations/ochuman_coco_format_test_range_0.00_1.00.json",
        bbox_file=None,
        data_prefix=dict(img="images/"),
    )
)
val_evaluator = dict(
    ann_file=data_root + "annotations/ochuman_coco_format_val_range_0.00_1.00.json",
    prefix="ochuman",
)
test_evaluator = dict(
    ann_file=data_root + "annotations/ochuman_coco_format_test_range_0.00_1.00.json",
    prefix="ochuman",
)
