# Keypoint pre-training of KTN's baseline: the detector with a keypoint branch on COCO keypoints.
# `load_from` of a KTM config takes its checkpoint (README.md).
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/coco_keypoints_boxes.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        bbox_head=dict(
            loss_bbox=dict(_delete_=True, type="mmdet.SmoothL1Loss", beta=0.5, loss_weight=1.0)
        ),
        densepose_head=dict(
            predictor=dict(coarse_channels=0, num_keypoints=17, with_charts=False),
            loss=dict(weights=dict(keypoint_heatmaps=1.0)),
            decoder=None,
            task_decoders=[dict(type="mmktn.KeypointDecoder", num_keypoints=17)],
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200, max_per_img=1500)),
)
