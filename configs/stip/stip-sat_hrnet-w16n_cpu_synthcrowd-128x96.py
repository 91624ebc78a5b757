# Synthetic crowd, CPU size: semantic-aware transfer only.
_base_ = "stip_hrnet-w16n_cpu_synthcrowd-128x96.py"

model = dict(head=dict(instance_parsing=None))
