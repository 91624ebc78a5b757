# HRNet-W32, CrowdPose 256x192: the ablation row with semantic-aware transfer only (paper: AP 73.5).
_base_ = "stip_hrnet-w32_4xb64-210e_crowdpose-256x192.py"

model = dict(head=dict(instance_parsing=None))
