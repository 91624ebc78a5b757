custom_imports = dict(imports=["mmktn"], allow_failed_imports=False)
default_scope = "mmdet"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=10000, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="mmdet.DetVisualizationHook"),
)

# The first makes resumed runs repeat uninterrupted ones exactly; the second ends training at a loss
# that is not finite; the third ends it where another process has died.
custom_hooks = [
    dict(type="mmktn.IterationSeedHook"),
    dict(type="mmktn.FiniteLossHook"),
    dict(type="mmktn.PeerWatchHook"),
    dict(type="mmktn.KeypointPretrainingHook"),
]

# Where there is no GPU, mmktn.compat makes it gloo.
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="mmktn.ChartVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)

log_level = "INFO"
load_from = None
resume = False
randomness = dict(seed=0)
