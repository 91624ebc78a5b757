"""Let mmengine load its own checkpoints on torch >= 2.6.

Since torch 2.6 `torch.load` refuses every class that is not on its safe list. The checkpoints of
stock mmengine (0.10.7 and before) hold its HistoryBuffer and numpy scalars and arrays, so resuming
fails. Putting exactly those types on the list is enough and keeps the protection; onedl-mmengine
brings its own solution and is left alone.

Upstream threads: open-mmlab/mmengine#1655, #1650.
"""

import pickle
from types import ModuleType
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.host_versions import version_key
from mmktn.compat.import_hooks import after_import

_registered: list[Any] = []


def safe_types() -> list[Any]:
    """List what a checkpoint of mmengine holds beside tensors and plain containers."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    dtypes = {type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdU"}
    multiarray = numpy_multiarray()
    arrays = [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype]
    # Bound in place of the real getattr, which would reach anything.
    method = (_history_method, "builtins.getattr")
    return [HistoryBuffer, method, *arrays, *sorted(dtypes, key=lambda kind: kind.__name__)]


def numpy_multiarray() -> Any:
    """Return the module by whose functions this numpy pickles arrays.

    numpy 2 renamed its core package. numpy 1.26 has a package of the new name too, without this
    module.
    """
    import numpy as np

    for package in ("_core", "core"):
        module = getattr(getattr(np, package, None), "multiarray", None)
        if module is not None:
            return module
    raise ImportError(f"numpy {np.__version__} has no multiarray")


def _history_method(owner: Any, name: str) -> Any:
    """Resolve a statistics method of HistoryBuffer, which is pickled as getattr(class, name)."""
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith("_"):
        raise pickle.UnpicklingError(f"the checkpoint asks for {name!r} of {owner!r}: refused")
    return getattr(HistoryBuffer, name)


def _register(checkpoint: ModuleType) -> None:
    """Run after mmengine.runner.checkpoint was imported."""
    import torch

    has_own_solution = hasattr(checkpoint, "_safe_torch_load")
    if has_own_solution or version_key(torch.__version__) < (2, 6):
        return
    _registered.extend(safe_types())
    torch.serialization.add_safe_globals(_registered)


def install() -> None:
    """Watch for the import of mmengine's checkpoint module."""
    after_import("mmengine.runner.checkpoint", _register)


FIX = Fix(
    name="checkpoint safe list",
    reason="torch >= 2.6 refuses the types that stock mmengine writes into checkpoints",
    thread="open-mmlab/mmengine#1655",
    is_stand_in=False,
    install=install,
    is_active=lambda: bool(_registered),
)
