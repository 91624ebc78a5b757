# One annotated person per item, all but the person painted grey, in training and at test: the
# teacher and the figure-ground oracle.
_base_ = "densepose_coco_person.py"
from mmktn.utils.config_parts import each_file

painting = dict(type="mmktn.PaintBackground", color=(103.53, 116.28, 123.675))
train_pipeline = [
    *_base_.loading,
    painting,
    dict(
        type="mmktn.WarpToPerson",
        longer_side=320,
        expand=1.1,
        scale_jitter=0.25,
        rotation=30.0,
        shift=0.05,
    ),
    *_base_.augmentation[1:],
]
test_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmktn.LoadPersonMap"),
    painting,
    dict(type="mmktn.WarpToPerson", longer_side=320, expand=1.1),
    _base_.packing,
]

train_dataloader = dict(
    dataset=each_file(_base_.train_dataloader, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
