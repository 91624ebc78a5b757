"""Say what to do where an inferencer is asked by name for weights that nobody has published.

mmengine's inferencers take a model's name, and then read both its config and its weights from the
metafile. Ours list models that have no weights yet, for which mmengine ends in KeyError 'Weights'.

Upstream thread: open-mmlab/mmengine#773.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import


class _Unpublished(dict[str, Any]):
    """Entry of a metafile without weights."""

    folder: str

    def __missing__(self, key: str) -> Any:
        if key != "Weights":
            raise KeyError(key)
        from mmktn.utils.user_error import UserError

        config = Path(self.folder) / self["Config"]
        raise UserError(
            f"{self['Name']}: no weights of this model are published; give the config's file and "
            f"weights of your own: model={str(config)!r}, weights=FILE"
        )


def _patch(infer: ModuleType) -> None:
    """Run after mmengine.infer.infer was imported."""
    inferencer = infer.BaseInferencer
    original = inferencer._get_models_from_metafile

    def models_of(folder: str) -> Any:
        for entry in original(folder):
            known = _Unpublished(entry)
            known.folder = folder
            yield known

    inferencer._get_models_from_metafile = staticmethod(models_of)


def install() -> None:
    """Watch for the import of mmengine's inferencer."""
    after_import("mmengine.infer.infer", _patch)


FIX = Fix(
    name="unpublished weights",
    reason="mmengine's inferencers end in KeyError where a named model has no weights",
    thread="open-mmlab/mmengine#773",
    is_stand_in=False,
    install=install,
    is_active=lambda: True,
)
