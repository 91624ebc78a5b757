# Row "DensePose R-CNN + KTM, R50": the network of the CVPR paper (coarse parts, mask by their
# argmax), its surface classifier generated from the keypoint classifier. methods 10.1; which
# config the paper's row had is not known. Without KTM:
# configs/densepose/densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        bbox_head=dict(loss_bbox=dict(_delete_=True, type="mmdet.SmoothL1Loss", beta=0.5)),
        densepose_head=dict(
            # Keypoints on 56 x 56 cells, as in all rows of KTM v1.
            predictor=dict(type="mmktn.KTMv1ChartPredictor", keypoint_upscale=2),
            loss=dict(weight_keypoint=0.5),
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1200)),
)
