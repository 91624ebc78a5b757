# Runtime of the pose configs: as _base_/default_runtime.py, in mmpose's scope.
custom_imports = dict(
    imports=[
        "mmktn",
        "mmktn.engine",
        "mmktn.models.backbones.staged_hrnet",
        "mmktn.stip.registration",
        "mmktn.datasets.transforms.box_jitter",
    ],
    allow_failed_imports=False,
)
default_scope = "mmpose"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=10, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="mmpose.PoseVisualizationHook", enable=False),
)
# The first averages the running statistics of the batch norms over the processes after each epoch,
# the second makes a resumed run repeat an uninterrupted one, the third stops a run whose head and
# data differ in their number of keypoints.
custom_hooks = [
    dict(type="SyncBuffersHook"),
    dict(type="mmktn.IterationSeedHook"),
    dict(type="mmktn.FiniteLossHook"),
    dict(type="mmktn.PeerWatchHook"),
    dict(type="mmktn.KeypointCountHook"),
]

# Where there is no GPU, mmktn.compat makes it gloo.
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="mmpose.PoseLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True, num_digits=6)

log_level = "INFO"
load_from = None
resume = False
randomness = dict(seed=0)
