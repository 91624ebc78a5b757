# Synthetic crowd, CPU size: semantic-aware transfer and instance-adaptive parsing.
_base_ = [
    "../_base_/models/stip_hrnet-w16n.py",
    "../_base_/datasets/synthetic_crowd_128x96_stip.py",
    "../_base_/schedules/stip_cpu.py",
    "../_base_/schedules/stip_runtime.py",
]
