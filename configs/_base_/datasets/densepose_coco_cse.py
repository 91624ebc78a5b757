# DensePose-COCO with vertices (layout in docs/cse.md), as detectron2 trains embeddings on it.
_base_ = "densepose_coco.py"

mesh_folder = "data/densepose_cse"

train_pipeline = [
    {
        "mmktn.LoadDensePoseAnnotations": dict(
            type="mmktn.LoadDensePoseAnnotations",
            with_keypoints=False,
            with_charts=False,
            with_vertices=True,
        ),
        "mmktn.DensePoseRandomFlip": dict(
            type="mmktn.DensePoseRandomFlip",
            prob=0.5,
            uv_symmetry="none",
            mesh_folder=mesh_folder,
        ),
    }.get(step.type, step)
    for step in _base_.train_pipeline
]

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                item,
                ann_file=f"annotations/densepose_{split}2014_cse.json",
                pipeline=train_pipeline,
            )
            for item, split in zip(
                _base_.train_dataloader.dataset.datasets,
                ("train", "valminusminival"),
                strict=True,
            )
        ],
    ),
)
val_dataloader = dict(dataset=dict(ann_file="annotations/densepose_minival2014_cse.json"))
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.VertexMetric",
    ann_file=_base_.data_root + "annotations/densepose_minival2014_cse.json",
    mesh_folder=mesh_folder,
)
test_evaluator = val_evaluator
