# The same, keeping the best model on COCO.
_base_ = "stip_runtime.py"

default_hooks = dict(checkpoint=dict(save_best="coco/oks/AP", rule="greater"))
