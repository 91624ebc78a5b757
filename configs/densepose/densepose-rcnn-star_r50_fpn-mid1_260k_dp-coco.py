# Row "+ MIDv1, R50": the decoder in the form of the released code. methods 5.4, 9.4.
_base_ = [
    "../_base_/models/densepose-rcnn-star_r50_fpn-mid1.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]
