# STIP on SimpleBaseline-R50 (official CPResNet; no configuration of it was released). Pyramid of
# 128 channels, deconvolutions on its coarsest map, no graph, no refine block, kernel maps not
# supervised, maps at a quarter of the input like the baseline's.
_base_ = ["stip-baseline_r50.py"]

model = dict(
    backbone=dict(out_indices=(0, 1, 2, 3)),
    neck=dict(
        type="mmktn.STIPFeaturePyramid", in_channels=(256, 512, 1024, 2048), out_channels=128
    ),
    head=dict(
        _delete_=True,
        type="mmktn.STIPHead",
        in_channels=128,
        out_channels=14,
        deconv_out_channels=(128, 128, 128),
        semantic_transfer=dict(with_graph=False),
        instance_parsing=dict(with_coords=False),
        scale=1,
        with_refine=False,
        loss=dict(type="mmktn.STIPLoss", with_kernel_term=False),
        decoder=dict(
            type="mmktn.RefinedHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2
        ),
    ),
)
