# The twin of CSE with KTN's multi-instance decoder v2 as neck. In no paper.
_base_ = "densepose-cse_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import mid2

model = dict(roi_head=dict(densepose_neck=dict(mid2(), channels=64)))
