# The COCO images of the folder named by MMKTN_REAL_DATA, as crowdpose_real. One of them stands a
# folder higher than its annotations say; projects/ablations/stip_overfit.py sets that right.
_base_ = ["crowdpose_real_128x96_stip.py"]

# Read by mmpose's inferencers.
dataset_type = "mmktn.CheckedCocoDataset"
data_root = "{{$MMKTN_REAL_DATA:data/real}}/coco/"
dataset = dict(type="mmktn.CheckedCocoDataset", data_root=data_root, ann_file="test_coco.json")
train_dataloader = dict(batch_size=9, dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader

val_evaluator = dict(
    _delete_=True, type="mmktn.OKSMetric", ann_file=data_root + "test_coco.json", prefix="coco"
)
test_evaluator = val_evaluator
