# CPU-size twin of dp-fcn-person_r101_40k_dp-coco.py.
_base_ = ["../_base_/datasets/densepose_synthetic_person.py", "../_base_/schedules/cpu.py"]
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/dp-fcn-person_r101_40k_dp-coco.py")
