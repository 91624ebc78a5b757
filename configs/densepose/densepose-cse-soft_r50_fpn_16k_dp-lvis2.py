# Row "CSE soft, animals I0, 16 k": from the model of their boxes and masks.
_base_ = [
    "../_base_/models/densepose-cse-animals2_r50_fpn.py",
    "../_base_/datasets/densepose_lvis2_cse.py",
    "../_base_/schedules/cse_16k.py",
    "../_base_/default_runtime.py",
]

# Of detectron2: cse/densepose_rcnn_R_50_FPN_soft_animals_finetune_maskonly_24k/270668502.
load_from = "work_dirs/densepose-cse-maskonly_r50_fpn_24k_dp-lvis2/iter_24000.pth"
