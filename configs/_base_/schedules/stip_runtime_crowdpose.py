# The same, keeping the best model on CrowdPose.
_base_ = "stip_runtime.py"

default_hooks = dict(checkpoint=dict(save_best="crowdpose/oks/AP", rule="greater"))
