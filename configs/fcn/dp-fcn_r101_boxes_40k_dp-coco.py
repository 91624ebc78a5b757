# GPS of DP-FCN: its charts of the whole image, cut out by given boxes. True boxes here;
# LoadGivenBoxes takes a detector's through bbox_file.
_base_ = "dp-fcn_r101_40k_dp-coco.py"

test_pipeline = [
    *_base_.test_pipeline[:1],
    dict(type="mmktn.LoadGivenBoxes"),
    *_base_.test_pipeline[1:-1],
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=(
            "img_id",
            "img_path",
            "ori_shape",
            "img_shape",
            "scale_factor",
            "given_boxes",
            "given_scores",
        ),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.DensePoseMetric",
    ann_file=_base_.data_root + "annotations/densepose_coco_2014_minival.json",
    surface=_base_.surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
