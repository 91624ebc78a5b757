# Narrow ResNet-18 twin of densepose-rcnn-legacy_r50_fpn.py.
_base_ = "densepose-rcnn_r18_fpn.py"

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(featmap_strides=[4, 8, 16, 32]),
        densepose_head=dict(
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    )
)
