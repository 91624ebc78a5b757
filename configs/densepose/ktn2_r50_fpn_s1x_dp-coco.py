# Row "KTN v2 (MIDv2 + KTMv2), R50". The paper starts from a keypoint-pretrained detector that was
# never released; this config starts from ImageNet.
_base_ = [
    "../_base_/models/ktn2_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=4)
