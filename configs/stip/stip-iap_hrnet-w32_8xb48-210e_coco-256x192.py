# HRNet-W32, COCO 256x192: the ablation row with instance-adaptive parsing only (paper: AP 75.6).
_base_ = "stip_hrnet-w32_8xb48-210e_coco-256x192.py"

model = dict(head=dict(semantic_transfer=None, instance_parsing=dict(with_coords=True)))
