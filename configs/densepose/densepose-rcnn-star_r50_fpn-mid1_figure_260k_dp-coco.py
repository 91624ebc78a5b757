# Row "+ MIDv1 as in the figure, R50": one dilated convolution a level and the multi-instance
# segmentor, which learns from the union of the persons' masks.
_base_ = [
    "../_base_/models/densepose-rcnn-star_r50_fpn-mid1.py",
    "../_base_/datasets/densepose_coco_masks.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            mode="figure", segmentor=dict(hidden_channels=256), segmentor_weight=1.0
        )
    )
)
