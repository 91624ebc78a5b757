# CPU-size twin of densepose-rcnn-wc2m_r50_fpn_s1x_dp-coco.py.
_base_ = "densepose-rcnn_r18_fpn_cpu_dp-synth.py"

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
