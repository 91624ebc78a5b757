# DensePose-COCO with person masks, for mask branches.
_base_ = "densepose_coco.py"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args={{_base_.backend_args}}),
    dict(type="mmdet.LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(
        type="RandomChoiceResize",
        resize_type="mmdet.Resize",
        scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
        keep_ratio=True,
        backend="pillow",
    ),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface={{_base_.surface}}),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="mmktn.DensePoseCocoDataset",
                data_root={{_base_.data_root}},
                ann_file="annotations/densepose_coco_2014_train.json",
                data_prefix=dict(img=""),
                only_densepose_images=True,
                pipeline=train_pipeline,
                backend_args={{_base_.backend_args}},
            ),
            dict(
                type="mmktn.DensePoseCocoDataset",
                data_root={{_base_.data_root}},
                ann_file="annotations/densepose_coco_2014_valminusminival.json",
                data_prefix=dict(img=""),
                only_densepose_images=True,
                pipeline=train_pipeline,
                backend_args={{_base_.backend_args}},
            ),
        ],
    ),
)
