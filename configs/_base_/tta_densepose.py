# Test-time augmentation of the RoI systems: flip x three scales, `tools/test.py CONFIG CKPT --tta`.
# Base of models/densepose-rcnn_r50_fpn.py, so every system above it has it. `surface` must be the
# one that the training data refer to: its tables mirror U and V.
_tta_scales = [(1333, 640), (1333, 800), (1333, 960)]

tta_model = dict(
    type="mmktn.DensePoseTTA",
    tta_cfg=dict(nms=dict(type="nms", iou_threshold=0.5), max_per_img=100),
    surface="data/densepose_surface",
)
tta_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="mmdet.Resize", scale=scale, keep_ratio=True, backend="pillow")
                for scale in _tta_scales
            ],
            [
                dict(type="mmdet.RandomFlip", prob=0.0),
                dict(type="mmdet.RandomFlip", prob=1.0),
            ],
            [
                dict(
                    type="mmktn.PackDensePoseInputs",
                    meta_keys=(
                        "img_id",
                        "img_path",
                        "ori_shape",
                        "img_shape",
                        "scale_factor",
                        "flip",
                        "flip_direction",
                    ),
                )
            ],
        ],
    ),
]
