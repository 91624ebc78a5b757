# CPU-size twin of densepose-rcnn-legacy_r50_fpn_ktm1_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(featmap_strides=[4, 8, 16, 32]),
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor", coarse_channels=15),
            loss=dict(
                weight_fine_segm=0.3, weight_uv=0.1, weight_coarse_segm=2.0, weight_keypoint=0.5
            ),
        ),
    )
)

default_hooks = dict(checkpoint=dict(interval={{_base_.max_iters}}), logger=dict(interval=20))
