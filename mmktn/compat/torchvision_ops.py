"""Let `import torchvision` succeed where its C++ operators do not load.

A CUDA build of torchvision beside a CPU build of torch (what the plain package index gives next to
a local CPU torch) cannot load its operators, and its import then stops at "operator
torchvision::nms does not exist", because it registers shape functions for two operators that were
never defined. Defining their schemas first is enough; calling them still raises torchvision's own
error.

Upstream thread: pytorch/pytorch#122494.
"""

import sys
from types import ModuleType

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
# torch.library drops a definition together with the object that made it.
_LIBRARIES: list[object] = []


def _define_missing_schemas(extension: ModuleType) -> None:
    """Run after torchvision.extension tried to load the operators."""
    if extension._has_ops():
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _LIBRARIES.append(library)


def is_active() -> bool:
    """Tell whether the schemas were (or, before the import, will be) defined here."""
    if "torchvision.extension" in sys.modules:
        return bool(_LIBRARIES)
    return False


def install() -> None:
    """Watch for the import of torchvision."""
    after_import("torchvision.extension", _define_missing_schemas)


FIX = Fix(
    name="torchvision schemas",
    reason="torchvision's C++ operators do not load beside this torch; its import would fail",
    thread="pytorch/pytorch#122494",
    is_stand_in=False,
    install=install,
    is_active=is_active,
)
