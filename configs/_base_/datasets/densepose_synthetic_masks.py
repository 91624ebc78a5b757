# The synthetic set with person masks, for mask branches.
_base_ = "densepose_synthetic.py"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface={{_base_.surface}}),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
