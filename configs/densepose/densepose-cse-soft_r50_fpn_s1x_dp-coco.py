# Row "CSE soft, R50".
_base_ = "densepose-cse_r50_fpn_s1x_dp-coco.py"

model = dict(roi_head=dict(densepose_head=dict(embedding_loss=dict(soft=True))))
