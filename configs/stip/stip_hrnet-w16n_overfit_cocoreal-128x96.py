# STIP overfitted to the few real images: tries every link of the chain, no row of the paper.
_base_ = [
    "../_base_/models/stip_hrnet-w16n.py",
    "../_base_/datasets/coco_keypoints_real_128x96_stip.py",
    "../_base_/schedules/stip_overfit.py",
    "../_base_/schedules/stip_runtime.py",
]

model = dict(test_cfg=dict(flip_test=False), head=dict(out_channels=17))
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval={{_base_.val_interval}}),
    logger=dict(interval=20),
    # Little is left to learn once every person is found so well.
    early_stopping=dict(
        type="EarlyStoppingHook",
        monitor="coco/oks/AP",
        rule="greater",
        stopping_threshold=0.93,
    ),
)
log_processor = dict(by_epoch=False)
