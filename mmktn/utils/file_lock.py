"""One process at a time makes a file; the others wait."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None


@contextmanager
def single_writer(path: Path, *, waiting: str | None = None) -> Iterator[None]:
    """Let one process at a time make ``path``; the others wait here.

    The lock is the operating system's and ends with the process. Where there is none (Windows), all
    go on at once: each writes atomically, so the result is the same.

    Args:
        path: File to be made; the lock is a file beside it.
        waiting: Line for stderr if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                sys.stderr.write(f"{waiting}\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
