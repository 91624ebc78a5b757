# s1x_clip that starts from a fortieth of the learning rate.
_base_ = "s1x_clip.py"

param_scheduler = [
    # LinearLR reaches the full rate at its last iteration, end - 1: 1000, as in the official code.
    dict(type="LinearLR", start_factor=0.025, by_epoch=False, begin=0, end=1001),
    dict(
        type="MultiStepLR",
        begin=0,
        end={{_base_.max_iters}},
        by_epoch=False,
        milestones=[100000, 120000],
        gamma=0.1,
    ),
]
