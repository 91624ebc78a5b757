# STIP and HRNet pose: 210 epochs of Adam, lr x0.1 twice, no warm-up, no weight decay. The official
# key WD 1e-4 never reaches Adam. The learning rate is the same for every batch size of the released
# configurations, so the batch size stands in each config.
# The released settings say 170 and 200, for STIP and its baselines alike, but their scheduler is
# stepped at the start of an epoch: the first epochs at the lower rates are, counted from 0, 169 and
# 199. mmengine steps at the end of an epoch, so these numbers stand here (mmpose's own configs keep
# 170 and 200).
train_cfg = dict(by_epoch=True, max_epochs=210, val_interval=10)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
param_scheduler = [
    dict(type="MultiStepLR", begin=0, end=210, milestones=[169, 199], gamma=0.1, by_epoch=True)
]
