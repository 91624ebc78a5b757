# HRNet-W32, CrowdPose 256x192: the ablation row with instance-adaptive parsing only (paper: AP
# 73.6).
_base_ = "stip_hrnet-w32_4xb64-210e_crowdpose-256x192.py"

model = dict(head=dict(semantic_transfer=None, instance_parsing=dict(with_coords=True)))
