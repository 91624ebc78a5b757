# Steps of pipelines that show one person: loading all about it, and packing its crop.
loading = [
    dict(type="mmktn.LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    dict(type="mmktn.LoadPersonMap"),
]
packing = dict(
    type="mmktn.PackDensePoseInputs",
    meta_keys=(
        "img_id",
        "id",
        "ann_id",
        "img_path",
        "ori_shape",
        "img_shape",
        "crop_window",
        "person_box",
        "person_score",
    ),
)
