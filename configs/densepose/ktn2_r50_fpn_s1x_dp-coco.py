# Row "KTN v2 (MIDv2 + KTMv2), R50". methods 9.2. The paper starts from a keypoint-pretrained
# detector that was never released; this config starts from ImageNet.
_base_ = "densepose-rcnn_r50_fpn-mid2_s1x_dp-coco.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(
                _delete_=True,
                type="mmktn.KTMv2ChartPredictor",
                in_channels=512,
                box_dim=1024,
            ),
            loss=dict(weight_keypoint=0.1),
        )
    )
)
