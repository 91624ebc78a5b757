# CPU-size twin of dp-fcn_r101_boxes_40k_dp-coco.py.
_base_ = "dp-fcn_r18_cpu_dp-synth.py"
from mmktn.utils.config_parts import in_given_boxes

test_pipeline = in_given_boxes(_base_.test_pipeline)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True,
    type="mmktn.DensePoseMetric",
    ann_file=_base_.val_evaluator.ann_file,
    surface=_base_.surface,
    metric=("gps", "gpsm"),
)
test_evaluator = val_evaluator
