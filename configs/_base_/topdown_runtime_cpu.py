# Runtime of the CPU-size top-down configs: counts iterations, not epochs.
_base_ = "topdown_runtime.py"

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=10000, max_keep_ckpts=1), logger=dict(interval=20)
)
log_processor = dict(by_epoch=False)
