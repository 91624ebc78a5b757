# CPU-size twin of densepose-rcnn-star_r50_fpn-mid1_figure_260k_dp-coco.py.
_base_ = [
    "../_base_/datasets/densepose_synthetic_masks.py",
    "../_base_/schedules/cpu.py",
    "../_base_/tta_synthetic.py",
]
from mmktn.utils.config_parts import narrow

model = narrow("{{fileDirname}}/densepose-rcnn-star_r50_fpn-mid1_figure_260k_dp-coco.py")
