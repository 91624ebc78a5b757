# STIPNet on the narrow HRNet.
_base_ = ["stip-baseline_hrnet-w16n.py"]

model = dict(
    head=dict(
        _delete_=True,
        type="mmktn.STIPHead",
        in_channels=16,
        out_channels=14,
        semantic_transfer=dict(),
        instance_parsing=dict(),
        loss=dict(type="mmktn.STIPLoss"),
        decoder=dict(
            type="mmktn.RefinedHeatmap", input_size=(96, 128), heatmap_size=(48, 64), sigma=2
        ),
    )
)
