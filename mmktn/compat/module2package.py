"""Make `mmktn::config.py` and model names of ours known to mmengine.

mmengine resolves `package::config`, `get_model` and Inferencer names only for packages in a fixed
table, MODULE2PACKAGE.

Upstream thread: open-mmlab/mmengine#1410.
"""

from types import ModuleType

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import after_import


def _add_entry(config_utils: ModuleType) -> None:
    config_utils.MODULE2PACKAGE.setdefault("mmktn", "mmktn")


def install() -> None:
    """Add the entry once mmengine's table exists."""
    after_import("mmengine.config.utils", _add_entry)


FIX = Fix(
    name="MODULE2PACKAGE",
    reason="mmengine resolves 'mmktn::config' only for packages of its table",
    thread="open-mmlab/mmengine#1410",
    is_stand_in=False,
    install=install,
    is_active=lambda: True,
)
