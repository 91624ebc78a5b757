"""On-disk cache: its folder, atomic replacement of files, one writer at a time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CACHE_VARIABLE = "MMKTN_CACHE_DIR"


def cache_folder() -> Path:
    """Folder of everything mmktn computes once: ``MMKTN_CACHE_DIR`` or ``~/.cache/mmktn``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mmktn"


@contextmanager
def replace_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Args:
        path: File to write; its folder is created.

    Yields:
        Binary handle of a temporary file, moved to ``path`` when the block ends without error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed below, before the move)
        dir=path.parent, prefix=path.name, suffix=".part", delete=False
    )
    try:
        with handle:
            yield handle
        # temporary files are private; the result is for everybody, as any other file
        os.chmod(handle.name, 0o644)
        os.replace(handle.name, path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


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
