# Row "CSE soft, animals I0 i2m, 16 k": with the cycle from pixels to meshes and back.
_base_ = "densepose-cse-soft_r50_fpn_16k_dp-lvis2.py"

model = dict(
    roi_head=dict(densepose_head=dict(embedding_loss=dict(pixel_cycle=dict(weight=0.0001))))
)
