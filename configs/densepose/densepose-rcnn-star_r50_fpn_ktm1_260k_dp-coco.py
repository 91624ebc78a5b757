# Row "+ KTMv1, R50": RCNN* with its surface classifier generated from the keypoint classifier; the
# knowledge graph stays as given. The paper starts from a keypoint-pretrained detector that was
# never released; this config starts from ImageNet.
_base_ = "densepose-rcnn-star_r50_fpn_260k_dp-coco.py"

model = dict(
    roi_head=dict(
        bbox_head=dict(loss_bbox=dict(_delete_=True, type="mmdet.SmoothL1Loss", beta=0.5)),
        densepose_head=dict(
            predictor=dict(
                type="mmktn.KTMv1ChartPredictor",
                graph=dict(trainable=False),
                mlp=True,
                # Keypoints on 56 x 56 cells, as in all rows of KTM v1.
                keypoint_upscale=2,
            ),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        ),
    )
)
