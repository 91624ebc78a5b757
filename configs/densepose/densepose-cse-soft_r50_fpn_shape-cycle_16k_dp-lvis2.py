# Row "CSE soft, animals I0 m2m, 16 k": with the cycle from mesh to mesh, people among them.
_base_ = "densepose-cse-soft_r50_fpn_16k_dp-lvis2.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            embedder=dict(meshes=dict(smpl_27554=dict())),
            embedding_loss=dict(shape_cycle=dict(weight=0.025)),
        )
    )
)
