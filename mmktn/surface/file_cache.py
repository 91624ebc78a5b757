"""On-disk cache: its folder, and one writer at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "MMKTN_CACHE_DIR"


def cache_folder() -> Path:
    """Folder of everything mmktn computes once: ``MMKTN_CACHE_DIR`` or ``~/.cache/mmktn``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mmktn"


@contextmanager
def single_writer(path: Path) -> Iterator[None]:
    """Let one process at a time make ``path``; the others wait here.

    The lock is the operating system's and ends with the process. Where there is none (Windows), all
    go on at once: each writes atomically, so the result is the same.

    Args:
        path: File to be made; the lock is a file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
