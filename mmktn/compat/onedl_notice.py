"""Keep one line of mmdet's fork out of every command: that its OneDL data sets are left out.

onedl-mmdetection wants to log it at the level DEBUG, but mmengine prints whatever comes without a
logger. While mmdet.datasets is imported, the `print` of mmengine's logging leaves out this line.

Upstream thread: open-mmlab/mmdetection#12405 shows the line.
"""

import builtins
import sys
from typing import Any

from mmktn.compat.fix import Fix
from mmktn.compat.import_hooks import around_import

_MODULE = "mmdet.datasets"
_LINE = "Could not import OneDL. Skipping OneDL datasets."
_left_out: list[str] = []


def _print(*values: Any, **options: Any) -> None:
    if values == (_LINE,):
        _left_out.append(_LINE)
    else:
        builtins.print(*values, **options)  # noqa: T201


def _begin() -> None:
    from mmengine.logging import print_log

    print_log.__globals__["print"] = _print


def _end() -> None:
    from mmengine.logging import print_log

    del print_log.__globals__["print"]


def install() -> None:
    """Watch for the import of the module that prints it, unless it has been imported."""
    if _MODULE not in sys.modules:
        around_import(_MODULE, _begin, _end)


FIX = Fix(
    name="OneDL notice",
    reason="onedl-mmdetection prints at every start that its OneDL data sets are left out",
    thread="open-mmlab/mmdetection#12405",
    is_stand_in=False,
    install=install,
    is_active=lambda: bool(_left_out),
)
