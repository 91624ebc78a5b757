"""Which device a model runs on, with one message for a device that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmktn.utils.user_error import UserError

if TYPE_CHECKING:
    import torch

DEVICE_HELP = "cpu, cuda, cuda:1, mps, ...; default: the GPU if there is one"


def find_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to run on.

    Args:
        device: What the user asked for; None takes the CUDA GPU if there is one. Apple's (`mps`)
            is taken by its name alone: mmktn was not run on it.

    Returns:
        A device on which a tensor could be made.

    Raises:
        UserError: No such device, here or anywhere.
    """
    import torch

    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, TypeError) as error:
        raise UserError(f"device {device!r} is unknown; use cpu, cuda or cuda:0, cuda:1") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {device!r}: PyTorch {torch.__version__} sees no GPU; use 'cpu'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {device!r}: there are {torch.cuda.device_count()} GPUs, numbered from 0"
        )
    try:
        # A device without values ("meta") fails when one is read.
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, NotImplementedError, AssertionError, ImportError) as error:
        raise UserError(f"device {device!r} cannot be used here; use 'cpu'") from error
    return chosen
