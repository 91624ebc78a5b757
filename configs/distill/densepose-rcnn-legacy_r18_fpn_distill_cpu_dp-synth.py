# CPU-size twin of densepose-rcnn-legacy_r50_fpn_distill_s1x_dp-coco.py.
_base_ = "../densepose/densepose-rcnn-legacy_r18_fpn_cpu_dp-synth.py"

train_dataloader = dict(dataset=dict(dense_labels=_base_.data_root + "dense_labels/teacher"))
