"""Gradients clipped tensor by tensor, as detectron2 does.

mmengine scales the gradient of the whole model to `max_norm`; detectron2 looks at each parameter
tensor by itself, which leaves far more of a large model's gradient. Clipping by value
(`type="value"`) looks at single numbers in both and needs nothing of ours.
"""

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import Tensor, nn

from mmktn.registry import OPTIM_WRAPPER_CONSTRUCTORS


def clip_each_tensor(
    parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0
) -> Tensor:
    """Scale each tensor's gradient to at most a norm, in place.

    Args:
        parameters: Parameters with gradients.
        max_norm: Largest norm of one tensor's gradient.
        norm_type: Kind of norm.

    Returns:
        Norm of all gradients together before clipping, as `torch.nn.utils.clip_grad_norm_` returns.
    """
    norms = [
        nn.utils.clip_grad_norm_(parameter, max_norm, norm_type=norm_type)
        for parameter in parameters
    ]
    return torch.linalg.vector_norm(torch.stack(norms), norm_type)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TensorClipConstructor(DefaultOptimWrapperConstructor):
    """mmengine's default constructor; `clip_grad` then holds for each tensor by itself.

    Set `optim_wrapper.constructor="mmktn.TensorClipConstructor"` beside
    `clip_grad=dict(max_norm=...)`.
    Works with every wrapper, mixed precision included.

    Raises:
        ValueError: There is no `clip_grad` that clips by a norm.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the wrapper."""
        wrapper: Any = super().__call__(model)
        if getattr(wrapper, "clip_func", None) is not nn.utils.clip_grad_norm_:
            raise ValueError(
                "optim_wrapper.constructor TensorClipConstructor needs "
                "optim_wrapper.clip_grad=dict(max_norm=...), which clips by a norm; to clip by "
                'value leave it out and set clip_grad=dict(type="value", clip_value=...)'
            )
        wrapper.clip_func = clip_each_tensor
        return wrapper
