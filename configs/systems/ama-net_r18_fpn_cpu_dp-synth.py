# CPU-size twin of ama-net_r50_fpn_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(
            _delete_=True,
            type="mmktn.MultiLevelRoIExtractor",
            output_sizes=[16, 8, 8, 4],
            out_channels=64,
        ),
        densepose_head=dict(
            type="mmktn.IntermediateDensePoseHead",
            trunk=dict(
                _delete_=True,
                type="mmktn.MultiPathTrunk",
                in_channels=64,
                channels=64,
                num_convs=2,
            ),
            predictor=dict(
                _delete_=True,
                type="mmktn.ConvChartPredictor",
                in_channels=64,
                kernel_size=3,
                coarse_channels=15,
                with_body_mask=True,
                upscale=1,
            ),
            intermediate_predictor=dict(
                type="mmktn.ConvChartPredictor",
                in_channels=64,
                kernel_size=3,
                coarse_channels=15,
                with_body_mask=True,
                upscale=1,
            ),
            intermediate_weight=0.1,
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0, body_mask=2.0)),
            decoder=dict(mask_source="body_mask", mask_threshold=0.5),
        ),
    ),
)
