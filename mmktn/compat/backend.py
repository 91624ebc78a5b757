"""Which operators stand behind the stand-in of `mmcv._ext`: torchvision's or plain torch."""

import functools

from mmktn.compat.fix import stand_in_mode

INSTALL_COMPILED = (
    "pip install --no-cache-dir --force-reinstall --no-deps --no-build-isolation "
    "--no-binary onedl-mmcv onedl-mmcv"
)


@functools.cache
def ops_backend() -> str:
    """Tell whether ``"torchvision"`` brings its operators, or only ``"torch"`` is there.

    A torchvision from the package index beside a CPU build of torch imports, but its operators do
    not load (torchvision_ops.py): this is why plain versions of all of them are kept.
    """
    if stand_in_mode() == "force":
        return "torch"
    try:
        from torchvision.extension import _has_ops
    except ImportError:
        return "torch"
    return "torchvision" if _has_ops() else "torch"
