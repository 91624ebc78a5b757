# CPU-size twin of densepose-cse_r50_fpn_s1x_dp-coco.py, on the body of this package, which has no
# files: the features of a vertex are the smoothest eigenvectors of the mesh.
_base_ = [
    "../_base_/datasets/densepose_synthetic_cse.py",
    "../_base_/schedules/cpu.py",
    "../_base_/tta_synthetic.py",
]
from mmktn.utils.config_parts import narrow

model = narrow(
    "{{fileDirname}}/densepose-cse_r50_fpn_s1x_dp-coco.py",
    roi_head=dict(
        densepose_head=dict(
            embedder=dict(
                _delete_=True,
                type="mmktn.SurfaceEmbedder",
                meshes=dict(human_7151=dict(num_features=64)),
                dim=16,
            ),
            embedding_loss=dict(embedding_sigma=0.05, geodesic_sigma=0.05),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes="human_7151")],
        )
    ),
)
