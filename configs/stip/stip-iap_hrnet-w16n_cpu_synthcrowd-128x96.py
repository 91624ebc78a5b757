# Synthetic crowd, CPU size: instance-adaptive parsing only.
_base_ = "stip_hrnet-w16n_cpu_synthcrowd-128x96.py"

model = dict(head=dict(semantic_transfer=None, instance_parsing=dict(with_coords=True)))
