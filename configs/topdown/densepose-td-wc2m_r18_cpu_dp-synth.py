# Top-down dense pose with the confidences of detectron2, CPU-size. In no paper.
_base_ = "densepose-td_r18_cpu_dp-synth.py"
from mmktn.utils.config_parts import confidences

model = dict(head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc2m")))))
