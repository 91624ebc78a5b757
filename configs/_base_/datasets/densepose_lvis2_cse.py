# DensePose-LVIS ds2 (layout in docs/cse.md): nine animals, about three points each, masks of all.
_base_ = "densepose_coco_cse.py"

_root = "data/coco/"
animals = ("bear", "cow", "cat", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
categories = {name: name for name in animals}

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args={{_base_.backend_args}}),
    dict(type="mmdet.LoadAnnotations", with_bbox=True, with_mask=True),
    dict(
        type="mmktn.LoadDensePoseAnnotations",
        with_keypoints=False,
        with_charts=False,
        with_coarse_map=False,
        with_vertices=True,
    ),
    dict(
        type="RandomChoiceResize",
        resize_type="mmdet.Resize",
        scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
        keep_ratio=True,
        backend="pillow",
    ),
    dict(
        type="mmktn.DensePoseRandomFlip",
        prob=0.5,
        uv_symmetry="none",
        mesh_folder={{_base_.mesh_folder}},
    ),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmktn.DensePoseCocoDataset",
        data_root=_root,
        ann_file="annotations/densepose_lvis_v1_ds2_train_v1.json",
        data_prefix=dict(img=""),
        categories=categories,
        pipeline=train_pipeline,
        backend_args={{_base_.backend_args}},
    ),
)
val_dataloader = dict(
    dataset=dict(ann_file="annotations/densepose_lvis_v1_ds2_val_v1.json", categories=categories)
)
test_dataloader = val_dataloader

val_evaluator = dict(
    ann_file=_root + "annotations/densepose_lvis_v1_ds2_val_v1.json", categories=categories
)
test_evaluator = val_evaluator
