# densepose-cse-animals_r50_fpn.py on the meshes of DensePose-LVIS ds2: other cats and dogs.
_base_ = "densepose-cse_r50_fpn.py"

class_meshes = [
    "bear_4936",
    "cow_5002",
    "cat_7466",
    "dog_7466",
    "elephant_5002",
    "giraffe_5002",
    "horse_5004",
    "sheep_5004",
    "zebra_5002",
]

model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=9),
        densepose_head=dict(
            embedder=dict(
                meshes=dict(_delete_=True, **{name: dict() for name in class_meshes}),
            ),
            embedding_loss=dict(soft=True, embedding_sigma=0.1, geodesic_sigma=0.1),
            loss=dict(coarse_from_masks=True),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes=class_meshes)],
        ),
    )
)
