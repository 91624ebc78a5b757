# CPU-size twin of densepose-rcnn_r50_fpn_distill_s1x_dp-coco.py.
_base_ = "../densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py"

# Any RoI config becomes a student by this one line.
train_dataloader = dict(dataset=dict(dense_labels=_base_.data_root + "dense_labels/teacher"))
