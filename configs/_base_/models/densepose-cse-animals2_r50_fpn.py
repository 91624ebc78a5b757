# densepose-cse-animals_r50_fpn.py on the meshes of DensePose-LVIS ds2: other cats and dogs.
_base_ = "densepose-cse-animals_r50_fpn.py"

class_meshes = [
    dict(cat_5001="cat_7466", dog_5002="dog_7466").get(name, name) for name in _base_.class_meshes
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            embedder=dict(meshes=dict(_delete_=True, **{name: dict() for name in class_meshes})),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes=class_meshes)],
        ),
    )
)
