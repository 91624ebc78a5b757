"""Put the safe reader behind every way in which mmengine loads a checkpoint.

`load_from`, `resume` and `init_cfg` of the hosts end in `CheckpointLoader`. For addresses it calls
PyTorch's `load_url`, which unpickles; for files onedl-mmengine unpickles what the restricted reader
refuses, and stock mmengine does with torch before 2.6. Code in a checkpoint would run. Here the
readers that its loaders call are replaced, whatever the scheme (http, s3, torchvision, ...).

Upstream threads: open-mmlab/mmengine#1655.
"""

from types import ModuleType
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import

_patched: list[str] = []


class _TorchWithSafeLoad(ModuleType):
    """torch as one module sees it: `load` is the safe reader."""

    def __init__(self, torch: ModuleType, load: Any) -> None:
        super().__init__("torch")
        self._torch = torch
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)


def _load(file: Any, map_location: Any = None, *_: Any, **__: Any) -> Any:
    from mmktn.utils.checkpoint_files import load_safely

    return load_safely(file, map_location)


def _load_url(url: str, *_: Any, map_location: Any = None, **__: Any) -> Any:
    from mmktn.utils.checkpoint_files import fetch_safely
    from mmktn.zoo.table import is_model_name

    if is_model_name(url):  # the address of a file that has to be converted
        return load_from_mmktn(url, map_location)
    return fetch_safely(url, map_location)


# mmengine logs what follows "load_from_" in a loader's name.
def load_from_file(filename: str, map_location: Any = None) -> Any:
    """Return the loader of `file://` addresses, which mmengine takes for names of files."""
    return _load(filename, map_location)


def load_from_mmktn(filename: str, map_location: Any = None) -> Any:
    """Return the loader of `mmktn://NAME`: published weights by name."""
    from mmktn.zoo.named_weights import weights

    return _load(weights(filename), map_location)


def _patch_checkpoint(checkpoint: Any) -> None:
    """Replace the readers of mmengine.runner.checkpoint."""
    if hasattr(checkpoint, "_safe_torch_load"):
        checkpoint._safe_torch_load = _load
    checkpoint.torch = _TorchWithSafeLoad(checkpoint.torch, _load)
    checkpoint.load_url = _load_url
    loader = checkpoint.CheckpointLoader
    loader.register_scheme("file://", load_from_file, force=True)
    loader.register_scheme("mmktn://", load_from_mmktn, force=True)
    _patched.append("mmengine.runner.checkpoint")


def _patch_hub(hub: Any) -> None:
    """Replace `load_url` where modules of the hosts import it from."""
    hub.load_url = _load_url


def install() -> None:
    """Watch for the imports."""
    after_import("mmengine.runner.checkpoint", _patch_checkpoint)
    for module in ("mmengine.utils.dl_utils", "mmengine.utils.dl_utils.hub"):
        after_import(module, _patch_hub)


FIX = Fix(
    name="safe checkpoints",
    reason="mmengine unpickles checkpoints from addresses, and files that the safe reader refuses",
    thread="open-mmlab/mmengine#1655",
    is_stand_in=False,
    install=install,
    is_active=lambda: bool(_patched),
)
