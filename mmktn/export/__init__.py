"""Write networks for engines without torch: `python -m mmktn export` (docs/export.md).

The names are imported when they are used: the command reads its arguments before torch is there.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.export.exporting import ExportReport, export_system

__all__ = ["ExportReport", "export_system"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "exporting"))
