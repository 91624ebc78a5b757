"""What the training loop needs beside mmengine's own parts."""

from mmktn.engine.compiled_parts import CompileHook, compile_static_parts
from mmktn.engine.cpu_amp_optim_wrapper import CpuAmpOptimWrapper
from mmktn.engine.finite_loss_hook import FiniteLossHook
from mmktn.engine.iteration_seed_hook import IterationSeedHook
from mmktn.engine.keypoint_count_hook import KeypointCountHook
from mmktn.engine.keypoint_pretraining_hook import KeypointPretrainingHook
from mmktn.engine.peer_watch_hook import PeerWatchHook
from mmktn.engine.ratio_sampler import RatioSampler
from mmktn.engine.tensor_clip_constructor import TensorClipConstructor

__all__ = [
    "CompileHook",
    "CpuAmpOptimWrapper",
    "FiniteLossHook",
    "IterationSeedHook",
    "KeypointCountHook",
    "KeypointPretrainingHook",
    "PeerWatchHook",
    "RatioSampler",
    "TensorClipConstructor",
    "compile_static_parts",
]
