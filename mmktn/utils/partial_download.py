"""The unfinished file of a download: what is there already, and of which file it is a part."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mmktn.utils.file_lock import HAS_LOCKS
from mmktn.utils.output_files import DiskFullError, write_json
from mmktn.utils.user_error import UserError

_BLOCK = 1 << 20


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class PartialDownload:
    """`NAME.part` beside the file that it becomes, and `NAME.part.json`, which says what it is.

    A part is kept between runs only where another run can tell that the server still has the same
    file: by its version mark (ETag or date), or because the content's hash is known beforehand.

    Args:
        target: The file that it becomes.
        source: Address that is asked.
        pinned: Whether the hash of the whole file is known.
    """

    def __init__(self, target: Path, source: str, *, pinned: bool) -> None:
        # Without locks two processes may be at it at once: each has its own part, and starts anew.
        end = ".part" if HAS_LOCKS else f".{os.getpid()}.part"
        self.target = target
        self.path = target.with_name(target.name + end)
        self.note = self.path.with_name(self.path.name + ".json")
        self.source = source
        self.pinned = pinned
        self.mark: str | None = None
        self.total: int | None = None
        self.size = 0
        self.digest = hashlib.sha256()
        self._handle: IO[bytes] | None = None
        self._take_up()

    @property
    def resumable(self) -> bool:
        """Whether a later request may go on behind what is there."""
        return self.size > 0 and (self.pinned or self.mark is not None)

    def begin(self, *, mark: str | None, total: int | None, keep: bool) -> None:
        """Open the part for writing.

        Args:
            mark: The server's version mark of the file.
            total: Length of the whole file in bytes, if known.
            keep: Go on behind what is there; else it is dropped.
        """
        if not keep:
            self.drop()
        self.mark, self.total = mark, total
        with self.errors():
            if self.pinned or mark is not None:
                write_json(self.note, {"source": self.source, "mark": mark, "total": total})
            self._handle = open(self.path, "ab")  # noqa: SIM115 (closed by `end`)

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            DiskFullError: No space is left; the part is dropped.
            UserError: The file cannot be written.
        """
        assert self._handle is not None
        with self.errors():
            self._handle.write(block)
        self.digest.update(block)
        self.size += len(block)

    def end(self) -> None:
        """Close the part; what was written is on the disk."""
        if self._handle is not None:
            with self.errors():
                self._handle.flush()
                os.fsync(self._handle.fileno())
                self._handle.close()
            self._handle = None

    def become_target(self) -> None:
        """Put the whole file into its place."""
        self.end()
        with self.errors():
            os.replace(self.path, self.target)
            self.note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the part."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):  # closing flushes, which fails once more on a full disk
                handle.close()
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.size, self.digest = 0, hashlib.sha256()
        self.mark = self.total = None

    def keep_or_drop(self) -> None:
        """End a transfer that broke off."""
        if self.resumable:
            self.end()
        else:
            self.drop()

    def errors(self) -> _FileErrors:
        """Context in which errors of the file system become one line."""
        return _FileErrors(self)

    def _take_up(self) -> None:
        """Find what an earlier run left."""
        note = _read_note(self.note)
        if note is None or note.get("source") != self.source or not self.path.is_file():
            self.drop()
            return
        self.mark, self.total = note.get("mark"), note.get("total")
        with self.errors(), open(self.path, "rb") as file:
            while block := file.read(_BLOCK):
                self.digest.update(block)
                self.size += len(block)
        if self.total is not None and self.size > self.total:
            self.drop()


class _FileErrors:
    """Turns errors of the file system into one line that names the file that was wanted."""

    def __init__(self, part: PartialDownload) -> None:
        self._part = part

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Raise in other words."""
        if not isinstance(error, OSError) or isinstance(error, UserError):
            return
        target = self._part.target
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._part.drop()
            raise DiskFullError(
                f"{target} cannot be written: the disk is full; nothing was kept"
            ) from error
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from error


def _read_note(path: Path) -> dict[str, Any] | None:
    """Return what stands beside a part; None if it is not there, or damaged."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(note, dict):
        return None
    mark, total = note.get("mark"), note.get("total")
    fine = isinstance(mark, str | None) and isinstance(total, int | None)
    return note if fine else None
