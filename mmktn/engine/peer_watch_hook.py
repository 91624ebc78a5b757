"""A process of a distributed run that dies takes the others with it, and they say which it was.

A collective operation waits for all processes: where one has died or hangs, the others wait for
NCCL's or gloo's timeout, up to half an hour, and then name an address instead of a process.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmktn.registry import HOOKS


@HOOKS.register_module()
class PeerWatchHook(Hook):
    """Watch the other processes from a thread; end this one, with status 1, when one is gone.

    Every process counts up in the run's key-value store, whatever the backend. One that does not
    for `timeout_s` has died or hangs. Training and test end together, so that a process that is
    done early is not taken for dead. One process alone is not watched.

    Args:
        timeout_s: Seconds without a sign, above 5.
    """

    def __init__(self, timeout_s: float = 30) -> None:
        if timeout_s <= 5:
            raise ValueError(f"PeerWatchHook: timeout_s={timeout_s} must be above 5 seconds")
        self.timeout_s = timeout_s
        self._watch: PeerWatch | None = None

    def before_train(self, runner: Runner) -> None:
        """Start to watch."""
        self._start()

    def before_test(self, runner: Runner) -> None:
        """Start to watch."""
        self._start()

    def after_train(self, runner: Runner) -> None:
        """Wait for the others, then stop."""
        self._stop()

    def after_test(self, runner: Runner) -> None:
        """Wait for the others, then stop."""
        self._stop()

    def _start(self) -> None:
        if get_world_size() > 1 and self._watch is None:
            store = dist.distributed_c10d._get_default_store()
            store = store.clone() if hasattr(store, "clone") else store
            self._watch = PeerWatch(store, get_rank(), get_world_size(), self.timeout_s, end)
            # Here, not in the thread: a process that dies at once has a name by then.
            self._watch.introduce()
            self._watch.start()

    def _stop(self) -> None:
        if self._watch is not None:
            dist.barrier()
            self._watch.stopped.set()
            self._watch = None


class PeerWatch(threading.Thread):
    """The thread of one process.

    Args:
        store: Key-value store that all processes reach (`add`, `set`, `get`).
        rank: Number of this process.
        world_size: Number of processes.
        timeout_s: Seconds without a sign after which a process counts as gone.
        gone: Called with the line that says so.
        pause_s: Seconds between two looks.
    """

    def __init__(
        self,
        store: Any,
        rank: int,
        world_size: int,
        timeout_s: float,
        gone: Callable[[str], None],
        pause_s: float = 1.0,
    ) -> None:
        super().__init__(name="mmktn-peer-watch", daemon=True)
        self.store, self.rank, self.gone = store, rank, gone
        self.others = [other for other in range(world_size) if other != rank]
        self.timeout_s, self.pause_s = timeout_s, pause_s
        self.stopped = threading.Event()

    def introduce(self) -> None:
        """Tell the others which process this is."""
        place = f"process {os.getpid()} on {socket.gethostname()}"
        self.store.set(f"mmktn/place/{self.rank}", place)
        self.store.add(f"mmktn/sign/{self.rank}", 1)

    def run(self) -> None:
        """Give signs and look for those of the others, until stopped."""
        start = time.monotonic()
        heard = dict.fromkeys(self.others, (0, start))
        answered = start
        while not self.stopped.wait(self.pause_s):
            now = time.monotonic()
            try:
                self.store.add(f"mmktn/sign/{self.rank}", 1)
                for other in self.others:
                    # Adding 0 reads without waiting for a key that is not there yet.
                    sign = self.store.add(f"mmktn/sign/{other}", 0)
                    if sign != heard[other][0]:
                        heard[other] = (sign, now)
            except Exception:  # torch raises errors of its own, which differ between versions
                if now - answered > min(10.0, self.timeout_s):
                    self._say("rank 0 or the launcher, which keeps the run's store,")
                    return
                continue
            answered = now
            silent = [o for o in self.others if now - heard[o][1] > self.timeout_s]
            if silent:
                where = (
                    self.store.get(f"mmktn/place/{silent[0]}").decode()
                    if heard[silent[0]][0]
                    else "never heard of"
                )
                self._say(f"rank {silent[0]} ({where})")
                return

    def _say(self, who: str) -> None:
        if not self.stopped.is_set():
            self.gone(
                f"rank {self.rank}: {who} has died or hangs, no sign for {self.timeout_s:g} s; "
                "this process ends too. Its own output says why; train.py --resume goes on from "
                "the last checkpoint"
            )


def end(line: str) -> None:
    """Print a line and end the process at once: its main thread waits in the collective."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    os._exit(1)
