# Continuous surface embeddings (detectron2's cse/densepose_rcnn_R_50_FPN_s1x): the branch of
# densepose-rcnn_r50_fpn.py, which says for every pixel a vector instead of chart, U and V. The
# folder holds the files of the meshes (docs/cse.md).
_base_ = "densepose-rcnn_r50_fpn.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(with_charts=False, extra_maps=["embedding"]),
            embedder=dict(
                type="mmktn.SurfaceEmbedder",
                meshes=dict(smpl_27554=dict()),
                dim=16,
                mesh_folder="data/densepose_cse",
            ),
            embedding_loss=dict(
                type="mmktn.EmbeddingLoss", weight=0.6, embedding_sigma=0.01, geodesic_sigma=0.01
            ),
            loss=dict(
                _delete_=True,
                type="mmktn.ChartLoss",
                weights=dict(coarse_segm=5.0),
                coarse_needs_all=True,
            ),
            task_decoders=[dict(type="mmktn.VertexDecoder", class_meshes="smpl_27554")],
        )
    )
)

# Vertices are mirrored by the mesh's own table; there are no charts.
tta_model = dict(surface=None)
