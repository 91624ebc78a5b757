"""Region-based dense pose on mmdet's two-stage detectors."""

from mmktn.models.rcnn.densepose_roi_head import DensePoseRoIHead

__all__ = ["DensePoseRoIHead"]
