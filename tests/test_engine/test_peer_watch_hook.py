"""The process of a distributed run that dies is named by the others, which end."""

import pytest
from torch.distributed import HashStore

from mmktn.engine.peer_watch_hook import PeerWatch, PeerWatchHook


def watch(store, rank, timeout_s, said):
    thread = PeerWatch(store, rank, 2, timeout_s, said.append, pause_s=0.02)
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
    watch(Gone(), 1, 0.2, said).join(10)
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
