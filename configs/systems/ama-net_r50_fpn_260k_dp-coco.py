# Row "AMA-net, R50": every RoI pooled from four levels, shared convolutions, static and gated
# fusion, intermediate supervision.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/260k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(
            _delete_=True,
            type="mmktn.MultiLevelRoIExtractor",
            output_sizes=[28, 14, 14, 7],
            out_channels=256,
        ),
        densepose_head=dict(
            type="mmktn.IntermediateDensePoseHead",
            trunk=dict(
                _delete_=True,
                type="mmktn.MultiPathTrunk",
                in_channels=256,
                channels=256,
                num_convs=8,
            ),
            predictor=dict(
                _delete_=True,
                type="mmktn.ChartPredictor",
                in_channels=256,
                conv_kernel=3,
                coarse_channels=15,
                with_body_mask=True,
                upscale=1,
            ),
            intermediate_predictor=dict(
                type="mmktn.ChartPredictor",
                in_channels=256,
                conv_kernel=3,
                coarse_channels=15,
                with_body_mask=True,
                upscale=1,
            ),
            intermediate_weight=0.1,
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0, body_mask=2.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.5),
        ),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(num=384))),
)
