"""Write networks for engines without torch: `python -m mmktn export` (docs/export.md)."""

from mmktn.export.exporting import ExportReport, export_system

__all__ = ["ExportReport", "export_system"]
