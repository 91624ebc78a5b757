"""Region-based dense pose on mmdet's two-stage detectors."""

from mmktn.models.rcnn.cascade_roi_head import CascadeDensePoseRoIHead
from mmktn.models.rcnn.cropping_hrnet import CroppingHRNet
from mmktn.models.rcnn.cross_task_fusion import CrossTaskFusion
from mmktn.models.rcnn.densepose_roi_head import DensePoseRoIHead
from mmktn.models.rcnn.densepose_tta import DensePoseTTA
from mmktn.models.rcnn.multi_level_roi_extractor import MultiLevelRoIExtractor

__all__ = [
    "CascadeDensePoseRoIHead",
    "CroppingHRNet",
    "CrossTaskFusion",
    "DensePoseRoIHead",
    "DensePoseTTA",
    "MultiLevelRoIExtractor",
]
