"""The process of a distributed run that dies is named by the others, which end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed import HashStore

from mmktn.engine.peer_watch_hook import PeerWatch, PeerWatchHook
from tests.loopback import free_port


def watch(store, rank, timeout_s, said):
    thread = PeerWatch(store, rank, 2, timeout_s, said.append, pause_s=0.02)
    thread.introduce()
    thread.start()
    return thread


def test_a_silent_process_is_named_and_the_others_end():
    store, said, unsaid = HashStore(), [], []
    first, second = watch(store, 0, 0.5, said), watch(store, 1, 60, unsaid)
    first.join(1)
    assert not said
    second.stopped.set()
    first.join(10)
    assert len(said) == 1
    assert said[0].startswith("rank 0: rank 1 (process ")
    assert not unsaid


def test_a_lost_store_is_named():
    class Gone:
        def add(self, key, number):
            raise RuntimeError("connection reset")

    said = []
    thread = PeerWatch(Gone(), 1, 2, 0.2, said.append, pause_s=0.02)
    thread.start()
    thread.join(10)
    assert "rank 0 or the launcher" in said[0]


def test_a_stopped_watch_says_nothing():
    store, said = HashStore(), []
    thread = watch(store, 0, 0.2, said)
    thread.stopped.set()
    thread.join(5)
    assert not said


def test_timeout_is_checked():
    with pytest.raises(ValueError, match="timeout_s=1"):
        PeerWatchHook(timeout_s=1)


def _reduce_for_ever(meeting: str, rank: int, folder: Path) -> None:
    """One of two processes; says on files when it begins and what it complains about."""
    sys.stderr = (folder / f"{rank}.err").open("w", buffering=1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    PeerWatchHook(timeout_s=6).before_train(None)
    while True:
        dist.all_reduce(torch.ones(1))
        (folder / f"{rank}.began").touch()


@pytest.mark.multiprocess
def test_a_killed_process_ends_the_other_with_its_name(tmp_path):
    """Two processes without a launcher that would clean up; the second one is stopped for good."""
    meeting = f"tcp://127.0.0.1:{free_port()}"
    context = mp.get_context("spawn" if torch.cuda.is_available() else "fork")
    ranks = [
        context.Process(target=_reduce_for_ever, args=(meeting, rank, tmp_path))
        for rank in range(2)
    ]
    try:
        for process in ranks:
            process.start()
        deadline = time.monotonic() + 60
        while not (tmp_path / "1.began").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        # Stopped, not killed: its connections stay open, so that gloo itself notices nothing.
        os.kill(ranks[1].pid, signal.SIGSTOP)
        ranks[0].join(60)
        said = (tmp_path / "0.err").read_text()
        assert ranks[0].exitcode == 1
        assert f"rank 1 (process {ranks[1].pid} on " in said
        assert "Traceback" not in said
    finally:
        for process in ranks:
            process.kill()
            process.join()
