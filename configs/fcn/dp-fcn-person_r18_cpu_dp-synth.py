# CPU-size twin of dp-fcn-person_r101_40k_dp-coco.py.
_base_ = [
    "../_base_/models/dp-fcn_r18.py",
    "../_base_/datasets/densepose_synthetic_person.py",
    "../_base_/schedules/cpu.py",
]
