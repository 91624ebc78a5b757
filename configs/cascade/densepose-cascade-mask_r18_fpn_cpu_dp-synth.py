# CPU-size twin of densepose-cascade-mask_r50_fpn_230k_dp-coco.py.
_base_ = "densepose-rcnn-mask_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import narrow

model = dict(
    _delete_=True,
    **narrow(
        "{{fileDirname}}/densepose-cascade-mask_r50_fpn_230k_dp-coco.py",
        roi_head=dict(mask_head=dict(num_convs=2)),
    ),
)
