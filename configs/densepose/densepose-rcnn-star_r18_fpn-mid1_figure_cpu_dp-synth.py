# CPU-size twin of densepose-rcnn-star_r50_fpn-mid1_figure_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-star_r18_fpn-mid1.py",
    "../_base_/datasets/densepose_synthetic_masks.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=dict(mode="figure", segmentor=dict(hidden_channels=64), segmentor_weight=1.0)
    )
)
