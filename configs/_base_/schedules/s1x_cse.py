# s1x with the gradient of each tensor cut to length 1, as detectron2 trains embeddings.
_base_ = "s1x.py"

optim_wrapper = dict(
    constructor="mmktn.TensorClipConstructor", clip_grad=dict(max_norm=1.0, norm_type=2)
)
