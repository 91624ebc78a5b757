# HRNet: 210 epochs of Adam, lr x0.1 after 0.81 and 0.95 of them.
_base_ = "topdown_140e.py"

train_cfg = dict(max_epochs=210)
param_scheduler = [
    dict(type="MultiStepLR", begin=0, end=210, milestones=[170, 200], gamma=0.1, by_epoch=True)
]
