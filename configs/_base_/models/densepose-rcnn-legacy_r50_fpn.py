# DensePose R-CNN of the CVPR 2018 release: no decoder, RoIAlign 14 from all levels, 15-way coarse
# segmentation, and its loss weights.
_base_ = "densepose-rcnn_r50_fpn.py"

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(
            roi_layer=dict(output_size=14), featmap_strides=[4, 8, 16, 32]
        ),
        densepose_head=dict(
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    )
)
