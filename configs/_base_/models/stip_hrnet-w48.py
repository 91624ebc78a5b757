# STIPNet on HRNet-W48: semantic-aware transfer and instance-adaptive parsing, maps at half
# resolution, official refinement.
_base_ = ["stip-baseline_hrnet-w48.py"]

model = dict(
    head=dict(
        _delete_=True,
        type="mmktn.STIPHead",
        in_channels=48,
        out_channels=14,
        semantic_transfer=dict(fuse="mul", with_graph=True),
        instance_parsing=dict(with_coords=False),
        scale=2,
        loss=dict(type="mmktn.STIPLoss", mask_weight=5e-4, semantics_weight=1e-5),
        decoder=dict(
            type="mmktn.RefinedHeatmap", input_size=(192, 256), heatmap_size=(96, 128), sigma=3
        ),
    )
)
