# Row "Parsing R-CNN, R50": RoIs pooled at 32 from the finest level alone, geometric and context
# encoding, maps of 128. The authors train on the 2017 split of DensePose-COCO.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]
from mmktn.utils.config_parts import each_file, with_step

model = dict(
    data_preprocessor=dict(mean=[102.9801, 115.9465, 122.7717]),
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(roi_layer=dict(output_size=32), featmap_strides=[4]),
        densepose_head=dict(
            trunk=dict(_delete_=True, type="mmktn.GCETrunk", in_channels=256, channels=512),
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    ),
    train_cfg=dict(rcnn=dict(densepose_max_rois=32)),
    test_cfg=dict(rcnn=dict(max_per_img=20)),
)

train_pipeline = with_step(
    _base_.train_pipeline,
    "RandomChoiceResize",
    scales=[(1400, 512), (1400, 640), (1400, 704), (1400, 768), (1400, 800), (1400, 864)],
)
train_dataloader = dict(dataset=each_file(_base_.train_dataloader, pipeline=train_pipeline))

# Learning rate 0.002 belongs to 16 images per iteration.
optim_wrapper = dict(optimizer=dict(lr=0.002))
# LinearLR reaches the full rate at its last iteration, end - 1: 500, as in the official code.
param_scheduler = with_step(_base_.param_scheduler, "LinearLR", end=501)
