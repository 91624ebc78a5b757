# CPU-size twin of ktn2_r50_fpn_s1x_dp-coco.py; `make train-demo` trains it.
_base_ = [
    "../_base_/models/ktn2_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
