# s1x with every number of the gradient clipped to [-1, 1], as detectron2 trains confidences.
_base_ = "s1x.py"

optim_wrapper = dict(clip_grad=dict(type="value", clip_value=1.0))
