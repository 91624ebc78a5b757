# The row "CSE soft, animals CA" on DensePose-LVIS ds2: all animals are one class.
_base_ = "densepose-cse-soft_r50_fpn_16k_dp-lvis2.py"

categories = dict.fromkeys(_base_.animals, "sheep")

model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=1),
        densepose_head=dict(
            task_decoders=[
                dict(type="mmktn.VertexDecoder", class_meshes="sheep_5004", all_meshes=True)
            ]
        ),
    )
)
train_dataloader = dict(dataset=dict(categories=categories))
val_dataloader = dict(dataset=dict(categories=categories))
test_dataloader = val_dataloader
val_evaluator = dict(categories=categories)
test_evaluator = val_evaluator
