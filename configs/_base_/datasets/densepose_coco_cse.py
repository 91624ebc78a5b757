# DensePose-COCO with vertices (layout in docs/cse.md), as detectron2 trains embeddings on it.
_base_ = "densepose_coco.py"

mesh_folder = "data/densepose_cse"
_root = "data/coco/"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile", backend_args={{_base_.backend_args}}),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(
        type="mmktn.LoadDensePoseAnnotations",
        with_keypoints=False,
        with_charts=False,
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
        mesh_folder=mesh_folder,
    ),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="mmktn.DensePoseCocoDataset",
                data_root=_root,
                ann_file="annotations/densepose_train2014_cse.json",
                data_prefix=dict(img=""),
                only_densepose_images=True,
                pipeline=train_pipeline,
                backend_args={{_base_.backend_args}},
            ),
            dict(
                type="mmktn.DensePoseCocoDataset",
                data_root=_root,
                ann_file="annotations/densepose_valminusminival2014_cse.json",
                data_prefix=dict(img=""),
                only_densepose_images=True,
                pipeline=train_pipeline,
                backend_args={{_base_.backend_args}},
            ),
        ],
    ),
)
val_dataloader = dict(dataset=dict(ann_file="annotations/densepose_minival2014_cse.json"))
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.VertexMetric",
    ann_file=_root + "annotations/densepose_minival2014_cse.json",
    mesh_folder=mesh_folder,
)
test_evaluator = val_evaluator
