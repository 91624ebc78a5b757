"""Focal losses in torch, with the signatures of mmcv's compiled operators (Lin et al., 2017).

mmdet calls them for classification losses of tensors on a GPU; on the CPU it has its own.
"""

import torch
from torch import Tensor


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every class to `output`.

    Args:
        input: (N, C) logits.
        target: (N,) class of each row; C or more means none.
        weight: (C,) factors by the row's class, or empty.
        output: (N, C), changed in place.
        gamma: Exponent of the factor that lowers easy examples.
        alpha: Factor of the row's own class; others get 1 - alpha.
    """
    p, own = input.sigmoid(), _own_class(input, target)
    positive = -alpha * (1 - p).pow(gamma) * _log(p)
    negative = -(1 - alpha) * p.pow(gamma) * _log(1 - p)
    output.copy_(
        torch.where(own, positive, negative) * _row_weights(input, target, weight)[:, None]
    )


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each loss by its own logit to `grad_input` (N, C).

    Args:
        input: As in the forward pass, like `target`, `weight`, `gamma` and `alpha`.
        target: As in the forward pass.
        weight: As in the forward pass.
        grad_input: (N, C), changed in place.
        gamma: As in the forward pass.
        alpha: As in the forward pass.
    """
    p, own = input.sigmoid(), _own_class(input, target)
    positive = -alpha * (1 - p).pow(gamma) * (1 - p - gamma * p * _log(p))
    negative = -(1 - alpha) * p.pow(gamma) * (gamma * (1 - p) * _log(1 - p) - p)
    grad_input.copy_(
        torch.where(own, positive, negative) * _row_weights(input, target, weight)[:, None]
    )


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every row to `output`.

    Args:
        softmax: (N, C) probabilities.
        target: (N,) class of each row; the loss of a negative one is 0.
        weight: (C,) factors by the row's class, or empty.
        output: (N,), changed in place.
        gamma: Exponent of the factor that lowers easy examples.
        alpha: Factor of all rows.
    """
    p = _own_probability(softmax, target)
    loss = -alpha * (1 - p).pow(gamma) * _log(p) * _row_weights(softmax, target, weight)
    output.copy_(loss.where(target >= 0, 0))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative of each row's loss by its logits to `grad_input`.

    Args:
        softmax: As in the forward pass, like `target`, `weight`, `gamma` and `alpha`.
        target: As in the forward pass.
        weight: As in the forward pass.
        buff: (N,), gets the factor that a row's logits have in common.
        grad_input: (N, C), changed in place.
        gamma: As in the forward pass.
        alpha: As in the forward pass.
    """
    p = _own_probability(softmax, target)
    slope = -(1 - p).pow(gamma) + gamma * (1 - p).pow(gamma - 1) * p * _log(p)
    buff.copy_((alpha * slope * _row_weights(softmax, target, weight)).where(target >= 0, 0))
    grad_input.copy_(buff[:, None] * (_own_class(softmax, target).to(softmax.dtype) - softmax))


def _own_class(logits: Tensor, target: Tensor) -> Tensor:
    """Mark each row's class: (N, C) bool."""
    return target[:, None] == torch.arange(logits.shape[1], device=logits.device)


def _own_probability(softmax: Tensor, target: Tensor) -> Tensor:
    return softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]


def _row_weights(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weight of each row's class; 1 for a row without a class or without weights."""
    if weight.numel() == 0:
        return logits.new_ones(len(target))
    classless = (target < 0) | (target >= len(weight))
    return weight[target.masked_fill(classless, 0)].masked_fill(classless, 1)


def _log(p: Tensor) -> Tensor:
    # The smallest normal float32, as in mmcv: log(0) would spoil the product with 0.
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()
