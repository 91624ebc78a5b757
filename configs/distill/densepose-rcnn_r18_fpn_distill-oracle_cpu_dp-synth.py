# The student of a teacher without error: dense labels from the synthetic truth.
_base_ = "densepose-rcnn_r18_fpn_distill_cpu_dp-synth.py"

train_dataloader = dict(dataset=dict(dense_labels=_base_.data_root + "dense_labels/truth"))
