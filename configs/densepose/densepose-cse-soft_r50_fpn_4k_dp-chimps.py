# Row "CSE soft, chimpanzees": from the model of people, on the mesh of a chimpanzee.
_base_ = [
    "../_base_/models/densepose-cse_r50_fpn.py",
    "../_base_/datasets/densepose_chimps_cse.py",
    "../_base_/schedules/cse_4k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    roi_head=dict(
        densepose_head=dict(
            embedder=dict(meshes=dict(_delete_=True, chimp_5029=dict())),
            embedding_loss=dict(soft=True, embedding_sigma=0.1, geodesic_sigma=0.1),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes="chimp_5029")],
        )
    )
)
load_from = "mmktn://densepose-cse-soft_r50_fpn_s1x"
