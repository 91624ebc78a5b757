# Synthetic crowd, CPU size: the baseline of the ablation.
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w16n.py",
    "../_base_/datasets/synthetic_crowd_128x96.py",
    "../_base_/schedules/stip_cpu.py",
    "../_base_/schedules/stip_runtime.py",
]
