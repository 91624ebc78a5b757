# Row "DensePose R-CNN WC2M, R101".
_base_ = "densepose-rcnn-wc1_r101_fpn_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                extra_maps=[
                    "sigma_2",
                    "kappa_u",
                    "kappa_v",
                    "fine_segm_confidence",
                    "coarse_segm_confidence",
                ]
            )
        )
    )
)
