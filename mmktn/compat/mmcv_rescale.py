"""Keep very long, thin pictures at one pixel at least when they are resized with their aspect kept.

mmcv rounds the short side of a picture of 1 x 5000 to nothing, and OpenCV refuses the size.
"""

import sys
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_MODULE = "mmcv.image.geometric"


def _patch(geometric: Any) -> None:
    original = geometric._scale_size

    def scale_size(size: tuple[int, int], scale: Any) -> tuple[int, int]:
        width, height = original(size, scale)
        return max(width, 1), max(height, 1)

    geometric._scale_size = scale_size


def install() -> None:
    """Patch the function once mmcv imports it."""
    after_import(_MODULE, _patch)


FIX = Fix(
    name="mmcv.imrescale",
    reason="a picture of 1 x 5000 pixels is resized to a side of 0",
    thread="open-mmlab/mmdetection#9349",
    is_stand_in=False,
    install=install,
    is_active=lambda: _MODULE in sys.modules,
)
