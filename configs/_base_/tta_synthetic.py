# Test-time augmentation of the CPU-size RoI systems: flip x two scales of the synthetic images.
_base_ = "tta_densepose.py"

tta_model = dict(tta_cfg=dict(max_per_img=20), surface="human")
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
                dict(type="mmdet.Resize", scale=(200, 160), keep_ratio=True),
            ],
            *_base_.tta_pipeline[1].transforms[1:],
        ],
    ),
]
