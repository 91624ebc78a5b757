# HRNet-W32, OCHuman 256x192: test of a COCO model (baseline), no row of the paper.
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w32.py",
    "../_base_/datasets/ochuman_256x192.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime.py",
]

model = dict(head=dict(out_channels=17))
train_cfg = train_dataloader = optim_wrapper = param_scheduler = None
