# Row "+ MIDv2, R50": MIDv2 and the KTN trunk, ordinary predictors, no keypoints.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn-mid2.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4)
