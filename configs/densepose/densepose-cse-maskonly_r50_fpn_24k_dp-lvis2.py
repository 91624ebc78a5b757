# What the rows I0 start from: boxes and masks of animals alone, from the model of people.
_base_ = [
    "../_base_/models/densepose-cse-animals2_r50_fpn.py",
    "../_base_/datasets/densepose_lvis2_cse.py",
    "../_base_/schedules/cse_24k.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(densepose_head=dict(embedding_loss=dict(weight=0.0))))
load_from = "mmktn://densepose-cse-soft_r50_fpn_s1x"
