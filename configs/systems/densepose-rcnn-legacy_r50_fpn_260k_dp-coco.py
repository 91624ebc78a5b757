# Base of the row "DensePose R-CNN + KTM, R50": the same network and schedule without KTM.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        bbox_head=dict(loss_bbox=dict(_delete_=True, type="mmdet.SmoothL1Loss", beta=0.5)),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200)),
)

# The base's figure has one kappa for all parts, that of the row with KTM one per part.
val_evaluator = dict(normaliser=("per_part", "global"))
test_evaluator = val_evaluator
