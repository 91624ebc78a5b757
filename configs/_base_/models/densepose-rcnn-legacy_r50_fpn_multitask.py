# DensePose R-CNN of the CVPR paper with the settings of its multi-task configs.
_base_ = "densepose-rcnn-legacy_r50_fpn.py"

model = dict(
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(output_size=14)),
        bbox_head=dict(roi_feat_size=14),
        # One image per GPU, eight GPUs; the weights of U and V belong to it.
        densepose_head=dict(loss=dict(uv_reference_images=1)),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=20)),
)
