# Top-down dense pose with the confidences of detectron2, CPU-size. In no paper.
_base_ = "densepose-td_r18_cpu_dp-synth.py"

model = dict(
    head=dict(
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
