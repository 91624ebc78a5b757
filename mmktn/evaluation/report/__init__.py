"""HTML report: curves, error on the body, worst and best people. Needs matplotlib."""

from mmktn.evaluation.report.page import write_report

__all__ = ["write_report"]
