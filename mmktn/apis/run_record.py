"""What a run over many pictures has done: finished ones, and failures, one line each.

The next run leaves out what is finished, and may replace what was begun. Processes of a distributed
run write files of their own; all read those of all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mmktn.utils.output_files import write_text
from mmktn.utils.user_error import UserError, one_line


class RunRecord:
    """The record of a run in the folder of its results.

    Args:
        folder: The folder; made if missing.
        settings: What decides the results, as a word; results of other settings do not count.
        share: Number of this process and number of processes.

    Raises:
        UserError: The folder cannot be written.
    """

    def __init__(self, folder: Path, settings: str, *, share: tuple[int, int] = (0, 1)) -> None:
        self.folder = folder
        self.settings = settings
        number, count = share
        tail = "" if count == 1 else f"-{number}-of-{count}"
        self.failures_file = folder / f"failures{tail}.jsonl"
        self.done_file = folder / f"done{tail}.jsonl"
        self.failed = 0
        self._done: dict[str, str | None] = {}
        for path in sorted(folder.glob("done*.jsonl")):
            self._done.update(_entries(path, settings))
        # What an earlier run of another number of processes left.
        if number == 0:
            for path in folder.glob("failures*.jsonl"):
                if not path.name.endswith(f"-of-{count}.jsonl"):
                    path.unlink(missing_ok=True)
        write_text(self.failures_file, "")
        self._failures = _appending(self.failures_file)
        self._finished = _appending(self.done_file)

    def is_done(self, name: str, digest: str, files: Sequence[Path]) -> bool:
        """Whether a picture of this content was finished with these settings and its files exist.

        Args:
            name: The picture's name in the stream.
            digest: SHA-256 of its file.
            files: Its results.
        """
        return self._done.get(name) == digest and all(path.is_file() for path in files)

    def is_begun(self, name: str) -> bool:
        """Whether files of a picture were begun with these settings, so that they are ours."""
        return name in self._done

    def begin(self, name: str) -> None:
        """Write down that the files of a picture are about to be written."""
        entry = {"name": name, "settings": self.settings}
        _append(self._finished, self.done_file, entry)

    def finish(self, name: str, digest: str) -> None:
        """Write down that the files of a picture are there."""
        entry = {"name": name, "sha256": digest, "settings": self.settings}
        _append(self._finished, self.done_file, entry)

    def fail(self, name: str, source: str, reason: str) -> None:
        """Write down why there is nothing of a picture."""
        self.failed += 1
        entry = {"name": name, "source": source, "error": one_line(reason)}
        _append(self._failures, self.failures_file, entry)

    def close(self) -> None:
        """Close the files."""
        self._failures.close()
        self._finished.close()


def _entries(path: Path, settings: str) -> dict[str, str | None]:
    """Name -> SHA-256 of what was finished, None if only begun; a cut line is left out."""
    found: dict[str, str | None] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it to start anew") from error
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("settings") == settings:
            found[str(entry.get("name"))] = entry.get("sha256")
    return found


def _appending(path: Path) -> IO[str]:
    """Return a file to append lines to; one that was cut in middle of a line gets its end first."""
    try:
        handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (closed by `close`)
        if handle.tell():
            handle.write("\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    return handle


def _append(handle: IO[str], path: Path, entry: dict[str, Any]) -> None:
    try:
        handle.write(json.dumps(entry) + "\n")
        handle.flush()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
