"""What the training loop needs beside mmengine's own parts."""

from mmktn.engine.cpu_amp_optim_wrapper import CpuAmpOptimWrapper
from mmktn.engine.iteration_seed_hook import IterationSeedHook

__all__ = ["CpuAmpOptimWrapper", "IterationSeedHook"]
