# CPU-size twin of body-seg_r50_fpn-mid1_s1x_dp-coco.py.
_base_ = "body-seg_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import narrow

model = dict(_delete_=True, **narrow("{{fileDirname}}/body-seg_r50_fpn-mid1_s1x_dp-coco.py"))
