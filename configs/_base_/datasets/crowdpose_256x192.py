# CrowdPose trainval -> test at 256x192, targets 64x48. Boxes at test: the detections that mmpose
# publishes (STIP's own were never released): compare only results of the same boxes, and no test
# with a validation, whose boxes are the annotated ones.
_base_ = "coco_keypoints_256x192.py"

# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedCrowdPoseDataset"
data_root = "data/crowdpose/"

train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/mmpose_crowdpose_trainval.json",
        data_prefix=dict(img="images/"),
    )
)
val_dataloader = dict(
    dataset=dict(train_dataloader["dataset"], ann_file="annotations/mmpose_crowdpose_test.json")
)
test_dataloader = dict(
    dataset=dict(
        val_dataloader["dataset"],
        bbox_file=data_root + "annotations/det_for_crowd_test_0.1_0.5.json",
    )
)

val_evaluator = dict(
    _delete_=True,
    type="mmktn.CrowdPoseMetric",
    ann_file=data_root + "annotations/mmpose_crowdpose_test.json",
)
test_evaluator = val_evaluator
