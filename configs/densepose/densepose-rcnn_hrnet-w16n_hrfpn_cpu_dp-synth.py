# CPU-size twin of densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn_hrnet-w16n_hrfpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
