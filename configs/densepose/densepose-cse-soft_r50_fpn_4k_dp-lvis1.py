# Row "CSE soft, animals, 4 k": from the model of people, on DensePose-LVIS ds1.
_base_ = [
    "../_base_/models/densepose-cse-animals_r50_fpn.py",
    "../_base_/datasets/densepose_lvis1_cse.py",
    "../_base_/schedules/cse_4k.py",
    "../_base_/default_runtime.py",
]

load_from = "mmktn://densepose-cse-soft_r50_fpn_s1x"
