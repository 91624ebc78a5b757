"""Let several processes train on a machine without a GPU.

mmengine's `pytorch` launcher selects a CUDA device before it starts the process group, and its
runner hands a device id to DistributedDataParallel; both fail where there is no CUDA device,
whatever the backend. Here the processes talk over gloo and no device id is given.

Upstream thread: openvinotoolkit/mmdetection#77 (the same change for mmdet 2).
"""

import sys
from types import ModuleType
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_INIT = "_init_dist_pytorch"


def _patch_init(utils: ModuleType) -> None:
    original = getattr(utils, _INIT)

    def init_dist_pytorch(backend: str, *args: Any, **kwargs: Any) -> None:
        import torch

        if torch.cuda.is_available() or backend not in ("nccl", "gloo"):
            original(backend, *args, **kwargs)
            return
        kwargs.pop("init_backend", None)
        torch.distributed.init_process_group(backend="gloo", **kwargs)

    setattr(utils, _INIT, init_dist_pytorch)


def _patch_wrapper(wrapper: ModuleType) -> None:
    base = wrapper.MMDistributedDataParallel
    original = base.__init__

    def init(self: Any, module: Any, *args: Any, **kwargs: Any) -> None:
        if all(p.device.type == "cpu" for p in module.parameters()):
            kwargs.pop("device_ids", None)
        original(self, module, *args, **kwargs)

    base.__init__ = init


def install() -> None:
    """Patch both places once mmengine imports them."""
    after_import("mmengine.dist.utils", _patch_init)
    after_import("mmengine.model.wrappers.distributed", _patch_wrapper)


def _is_active() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and not torch.cuda.is_available()


FIX = Fix(
    name="CPU distributed",
    reason="mmengine's launcher and runner assume a CUDA device in every process",
    thread="openvinotoolkit/mmdetection#77",
    is_stand_in=False,
    install=install,
    is_active=_is_active,
)
