# CPU-size twin of densepose-cse_r50_fpn.py, on the body of this package, which has no files: the
# features of a vertex are the smoothest eigenvectors of the mesh.
_base_ = "densepose-rcnn_r18_fpn.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(with_charts=False, extra_maps=["embedding"]),
            embedder=dict(
                type="mmktn.SurfaceEmbedder", meshes=dict(human_7151=dict(num_features=64)), dim=16
            ),
            embedding_loss=dict(
                type="mmktn.EmbeddingLoss", weight=0.6, embedding_sigma=0.05, geodesic_sigma=0.05
            ),
            loss=dict(
                _delete_=True,
                type="mmktn.ChartLoss",
                weights=dict(coarse_segm=5.0),
                half_pixel=True,
            ),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes="human_7151")],
        )
    )
)
