# CPU-size twin of part-seg_r50_fpn-mid2_s1x_dp-coco.py.
_base_ = "part-seg_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import narrow

model = dict(_delete_=True, **narrow("{{fileDirname}}/part-seg_r50_fpn-mid2_s1x_dp-coco.py"))
