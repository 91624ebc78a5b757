# Synthetic crowd, CPU size: instance-adaptive parsing only.
_base_ = [
    "../_base_/models/stip_hrnet-w16n.py",
    "../_base_/datasets/synthetic_crowd_128x96_stip.py",
    "../_base_/schedules/stip_cpu.py",
    "../_base_/schedules/stip_runtime.py",
]

model = dict(head=dict(semantic_transfer=None, instance_parsing=dict(with_coords=True)))
