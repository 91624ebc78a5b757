"""Processes that train together, forked from one that has imported the hosts and done nothing else.

A fresh interpreter imports mmdet for 10 s; such a fork has it. The test's own process cannot be
forked: autograd and CUDA refuse to work in a fork of a process that has used them.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.multiprocessing as mp

from tests.loopback import free_port


def _rank(rank: int, function: Callable[..., None], count: int, port: int, args: tuple) -> None:
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()}, MASTER_ADDR="127.0.0.1")
    function(*args)


def run_ranks(function: Callable[..., None], *args: Any, count: int = 2) -> None:
    """Call a function in some processes, with the environment that torchrun would give them."""
    multiprocessing.set_forkserver_preload(["tests.imported_hosts"])
    arguments = (function, count, free_port(), args)
    mp.start_processes(_rank, arguments, count, start_method="forkserver")


def _script(path: str, arguments: Sequence[str]) -> None:
    sys.argv = [path, *arguments]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as ended:
        # SystemExit would end the process as if all were well.
        if ended.code:
            raise RuntimeError(f"{path} ended with {ended.code}") from ended


def run_script_in_ranks(path: Any, arguments: Sequence[Any], count: int = 2) -> None:
    """Run a script as `torchrun --nproc_per_node=COUNT PATH ARGUMENTS` does."""
    run_ranks(_script, str(path), [str(word) for word in arguments], count=count)
