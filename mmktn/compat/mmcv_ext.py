"""A stand-in for `mmcv._ext`, the compiled operators of mmcv, used where they are missing.

mmdet and mmpose import mmcv.ops at import time, so nothing works without the compiled module,
although the models here need two of its operators: NMS and RoIAlign. mmcv_ops.py lists these and
others that torch or torchvision can serve. Every other operator raises an error that names it and
the command that installs the compiled package.

Upstream threads: VBTI-development/onedl-mmdetection#11, #12, #18 (no wheel matched),
open-mmlab/mmcv#3308, #3341.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from mmktn.compat.backend import INSTALL_COMPILED
from mmktn.compat.fix import Fix, stand_in_mode
from mmktn.compat.import_hooks import StandInFinder, real_spec

# What mmcv calls the operators of mmcv_ops.py.
SERVED = (
    "nms",
    "soft_nms",
    "nms_match",
    "bbox_overlaps",
    "roi_align (pool_mode 'avg')",
    "deform_conv2d",
    "modulated_deform_conv2d",
    "sigmoid_focal_loss",
    "softmax_focal_loss",
    "MultiScaleDeformableAttention",
)


class _StandInModule(ModuleType):
    """A module whose unknown operators exist, and raise when called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

        def missing_operator(*args: Any, **kwargs: Any) -> NoReturn:
            raise NotImplementedError(
                f"mmcv's compiled operator {name!r} is not available: this mmcv was installed "
                f"without its compiled operators, and mmktn stands in only for {', '.join(SERVED)}."
                f" Install the compiled package with: {INSTALL_COMPILED}"
            )

        return missing_operator


def _build(module: ModuleType) -> None:
    """Fill the stand-in; torch is imported here, not with mmktn."""
    from mmktn.compat import mmcv_ops

    module.__class__ = _StandInModule
    for name in mmcv_ops.__all__:
        setattr(module, name, getattr(mmcv_ops, name))


def is_active() -> bool:
    """Tell whether `mmcv._ext` is, or will be, the stand-in."""
    mode = stand_in_mode()
    if mode == "auto":
        return real_spec("mmcv") is not None and real_spec("mmcv._ext") is None
    return mode == "force"


def install() -> None:
    """Answer the import of `mmcv._ext`: only where nothing else does, or always when forced."""
    mode = stand_in_mode()
    if mode != "off":
        StandInFinder({"mmcv._ext": _build}).install(force=mode == "force")


FIX = Fix(
    name="mmcv._ext",
    reason="mmcv is installed without compiled operators; those that the models need run in torch",
    thread="VBTI-development/onedl-mmdetection#12",
    is_stand_in=True,
    install=install,
    is_active=is_active,
)
