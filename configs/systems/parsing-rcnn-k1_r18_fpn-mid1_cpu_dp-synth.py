# CPU-size twin of parsing-rcnn-k1_r50_fpn-mid1_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=dict(
            _delete_=True, type="mmktn.MultiInstanceDecoderV1", channels=64, mode="code"
        ),
        densepose_head=dict(
            trunk=dict(
                _delete_=True, type="mmktn.DeepLabTrunk", in_channels=64, channels=64, num_convs=4
            ),
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    )
)
