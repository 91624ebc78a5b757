# Row "+ MIDv1, R50": the decoder in the form of the released code.
_base_ = [
    "../_base_/models/densepose-rcnn-star_r50_fpn-mid1.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]
