# The synthetic set with the vertices of its points; the body has no files of meshes.
_base_ = "densepose_synthetic.py"

train_pipeline = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(
        type="mmktn.LoadDensePoseAnnotations",
        with_keypoints=False,
        with_charts=False,
        with_vertices=True,
    ),
    dict(type="mmdet.Resize", scale=(160, 128), keep_ratio=True),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, uv_symmetry="none"),
    dict(type="mmktn.PackDensePoseInputs"),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

val_evaluator = dict(
    _delete_=True,
    type="mmktn.VertexMetric",
    ann_file="data/synthetic_densepose/annotations/densepose_val.json",
    people=("human_7151",),
)
test_evaluator = val_evaluator
