"""What a run over a film has finished, in a folder beside the film it makes.

`journal.jsonl` has a line for the run and one for every piece, written when its files are whole. A
later run of the same command takes these as given and goes on behind the last one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mmktn.utils.output_files import replace_atomically, write_text
from mmktn.utils.user_error import UserError

_NAME = "journal.jsonl"


class FilmJournal:
    """The folder of a run.

    Args:
        folder: Made if it is missing.
        settings: What decides the result; a folder of other settings is refused.
        anew: Forget what is there.

    Raises:
        UserError: The folder is of a run with other settings, or of something else.
    """

    def __init__(self, folder: Path, settings: str, *, anew: bool = False) -> None:
        self.folder = folder
        self.pieces: list[dict[str, Any]] = []
        if folder.exists():
            found = self._read(settings, anew=anew)
            if found is None:
                shutil.rmtree(folder)
            else:
                self.pieces = found
        folder.mkdir(parents=True, exist_ok=True)
        if not self.pieces:
            self._write({"settings": settings}, "w")

    @property
    def done(self) -> bool:
        """Whether the film has no further pieces."""
        return bool(self.pieces) and bool(self.pieces[-1].get("end"))

    def file(self, kind: str, suffix: str, number: int | None = None) -> Path:
        """Return the path of a file of a piece; by default of the next one."""
        which = len(self.pieces) if number is None else number
        return self.folder / f"{kind}_{which:06d}{suffix}"

    def finish_piece(self, entry: Mapping[str, Any], state: Mapping[str, Any] | None) -> None:
        """Write down that the files of the next piece are whole.

        Args:
            entry: What is to be known of it.
            state: Arrays from which the run goes on; None behind the last piece.
        """
        number = len(self.pieces)
        if state is not None:
            with replace_atomically(self.file("state", ".npz", number)) as handle:
                np.savez_compressed(handle, **state)
        line = {**entry, "end": state is None}
        self._write(line, "a")
        self.pieces.append(line)
        if number:
            self.file("state", ".npz", number - 1).unlink(missing_ok=True)

    def state(self) -> dict[str, Any] | None:
        """Return the arrays of the last piece; None if nothing is finished."""
        if not self.pieces or self.done:
            return None
        path = self.file("state", ".npz", len(self.pieces) - 1)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _write(self, entry: Mapping[str, Any], mode: str) -> None:
        with (self.folder / _NAME).open(mode, encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, settings: str, *, anew: bool) -> list[dict[str, Any]] | None:
        """Return the pieces that are there; None to begin anew in the folder's place."""
        path = self.folder / _NAME
        if not path.is_file():
            if any(self.folder.iterdir()):
                raise UserError(f"{self.folder} is in the way and of no run; move it elsewhere")
            return None
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        entries: list[dict[str, Any]] = []
        with suppress(ValueError):  # a line that was cut while it was written
            entries.extend(json.loads(line) for line in lines)
        if anew or len(entries) < 2:
            return None
        if entries[0].get("settings") != settings:
            raise UserError(
                f"{self.folder} is of a run with other settings or another film; repeat that one, "
                "or begin anew with --overwrite"
            )
        pieces = entries[1:]
        if pieces and not pieces[-1].get("end"):
            number = len(pieces) - 1
            if not self.file("state", ".npz", number).is_file():
                return None
        whole = all(
            (self.folder / name).is_file() and (self.folder / name).stat().st_size == size
            for piece in pieces
            for name, size in piece["files"].items()
        )
        if not whole:
            return None
        if len(lines) != len(entries):
            write_text(path, "".join(json.dumps(e) + "\n" for e in entries))
        return pieces
