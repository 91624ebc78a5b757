"""The process of a distributed run that dies is named by the others, which end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
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


RANK = """
import sys
import torch
import torch.distributed as dist
from mmktn.engine.peer_watch_hook import PeerWatchHook

dist.init_process_group("gloo", init_method=sys.argv[1], rank=int(sys.argv[2]), world_size=2)
PeerWatchHook(timeout_s=6).before_train(None)
for step in range(10**9):
    dist.all_reduce(torch.ones(1))
    print(step, flush=True)
"""


@pytest.mark.multiprocess
def test_a_killed_process_ends_the_other_with_its_name(tmp_path):
    """Two processes without a launcher that would clean up; the second one is stopped for good."""
    meeting = f"tcp://127.0.0.1:{free_port()}"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, meeting, str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, OMP_NUM_THREADS="1"),
            cwd=Path(__file__).parents[2],
        )
        for rank in range(2)
    ]
    try:
        assert ranks[1].stdout.readline() == "0\n"
        # Stopped, not killed: its connections stay open, so that gloo itself notices nothing.
        ranks[1].send_signal(signal.SIGSTOP)
        _, said = ranks[0].communicate(timeout=60)
        assert ranks[0].returncode == 1
        assert f"rank 1 (process {ranks[1].pid} on " in said
        assert "Traceback" not in said
    finally:
        for process in ranks:
            process.kill()
            process.wait()
