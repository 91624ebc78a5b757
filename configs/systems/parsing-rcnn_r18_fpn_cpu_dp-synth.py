# CPU-size twin of parsing-rcnn_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]

model = dict(
    roi_head=dict(
        densepose_neck=None,
        densepose_roi_extractor=dict(roi_layer=dict(output_size=16), featmap_strides=[4]),
        densepose_head=dict(
            trunk=dict(
                _delete_=True, type="mmktn.GCETrunk", in_channels=64, channels=64, num_convs=2
            ),
            predictor=dict(coarse_channels=15),
            loss=dict(weights=dict(fine_segm=0.3, u=0.1, v=0.1, coarse_segm=2.0)),
        ),
    ),
    train_cfg=dict(rcnn=dict(densepose_max_rois=32)),
)
