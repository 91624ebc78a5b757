# Synthetic crowd with COCO's 17 keypoints, CPU size: STIP.
_base_ = ["stip_hrnet-w16n_cpu_synthcrowd-128x96.py"]

model = dict(head=dict(out_channels=17))
dataset_type = "mmktn.CheckedCocoDataset"
dataset = dict(type=dataset_type)
train_dataloader = dict(dataset=dict(ann_file="annotations/densepose_train.json", **dataset))
val_dataloader = dict(dataset=dict(ann_file="annotations/densepose_val.json", **dataset))
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type="mmktn.OKSMetric",
    ann_file="data/synthetic_crowd/annotations/densepose_val.json",
    prefix="coco",
)
test_evaluator = val_evaluator
