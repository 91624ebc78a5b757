# CPU-size twin of keypoints_r50_fpn-mid1_s1x_dp-coco.py.
_base_ = "keypoints_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import narrow

model = dict(_delete_=True, **narrow("{{fileDirname}}/keypoints_r50_fpn-mid1_s1x_dp-coco.py"))
