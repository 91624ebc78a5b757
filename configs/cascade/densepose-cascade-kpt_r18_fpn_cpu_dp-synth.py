# CPU-size twin of densepose-cascade-kpt_r50_fpn_230k_dp-coco.py.
_base_ = "densepose-rcnn-kpt_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import narrow

model = dict(
    _delete_=True, **narrow("{{fileDirname}}/densepose-cascade-kpt_r50_fpn_230k_dp-coco.py")
)
