"""Many pictures one after the other: of files, folders, globs, lists and tar archives.

Pictures are named, not held: whoever takes one reads it. Every process of a distributed run goes
through all names in the same order and takes its share.
"""

from __future__ import annotations

import glob
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mmktn.formats.pictures import SUFFIXES, decode_picture, picture_digest, read_picture
from mmktn.utils.user_error import UserError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
LIST_SUFFIX = ".txt"
# Larger members of an archive are no photographs.
MAX_MEMBER_BYTES = 1 << 30
_GLOB_SIGNS = "*?["
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class StreamedPicture:
    """A picture that is yet to be decoded.

    Attributes:
        index: Its place in the whole stream.
        name: Path below the input that it comes from, with ``/``; unique within a stream.
        source: Where it lies, for messages.
        data: Its file, if it comes from an archive; else it is read from `source`.
        error: Why there is none.
    """

    index: int
    name: str
    source: str
    data: bytes | None = None
    error: str | None = None

    @property
    def output_stem(self) -> str:
        """Path of its results below the output folder, without ending."""
        return str(PurePosixPath(self.name).with_suffix(""))

    def digest(self) -> str:
        """Return the SHA-256 of its file.

        Raises:
            UserError: It cannot be read.
        """
        if self.error is not None:
            raise UserError(self.error)
        if self.data is not None:
            return hashlib.sha256(self.data).hexdigest()
        try:
            return picture_digest(self.source)
        except FileNotFoundError as error:
            raise UserError("no such file") from error

    def read(self, *, max_pixels: int | None = None) -> np.ndarray:
        """Return the pixels (H, W, 3) uint8 BGR.

        Raises:
            UserError: It cannot be read as a picture.
        """
        if self.error is not None:
            raise UserError(self.error)
        if self.data is not None:
            return decode_picture(self.data, max_pixels=max_pixels)
        try:
            return read_picture(self.source, max_pixels=max_pixels)
        except FileNotFoundError as error:
            raise UserError("no such file") from error


def check_inputs(inputs: Sequence[str]) -> None:
    """See, before any work, that every input is there.

    Args:
        inputs: As in `stream_pictures`.

    Raises:
        UserError: One is not; the text names it.
    """
    for text in inputs:
        path = Path(text)
        if not path.exists() and (not _is_glob(text) or not glob.glob(text, recursive=True)):
            raise UserError(f"{text}: no such file or folder, and no pattern that finds any")


def stream_pictures(
    inputs: Sequence[str], *, share: tuple[int, int] = (0, 1)
) -> Iterator[StreamedPicture]:
    """Go through pictures.

    Args:
        inputs: Picture files; folders, with the folders in them; patterns (``**`` goes into
            folders); ``.txt`` lists of paths, one a line, relative to the list; tar archives.
        share: Number of this process and number of processes; pictures are dealt out in turn.

    Yields:
        The pictures of this process. Where two would get results of one name, the second one has a
        number behind its own. A list or archive that cannot be read, or breaks off, gives an entry
        with `error`, and the other inputs follow.
    """
    number, count = share
    taken: set[str] = set()
    for index, entry in enumerate(_entries(inputs)):
        name = _unique(_inside(entry.name), taken)
        if index % count == number:
            yield entry.taken(index, name)


@dataclass(frozen=True)
class _Entry:
    """A picture that some process takes; of an archive it is read when it is taken."""

    name: str
    source: str
    archive: tarfile.TarFile | None = None
    info: tarfile.TarInfo | None = None
    error: str | None = None

    def taken(self, index: int, name: str) -> StreamedPicture:
        """Return the picture, of an archive with its content."""
        if self.archive is None or self.info is None:
            return StreamedPicture(index, name, self.source, error=self.error)
        if self.info.size > MAX_MEMBER_BYTES:
            error = f"has {self.info.size} bytes, more than a photograph"
            return StreamedPicture(index, name, self.source, error=error)
        try:
            file = self.archive.extractfile(self.info)
            data = b"" if file is None else file.read()
        except _TAR_ERRORS as broken:
            error = f"cannot be read from the archive ({broken})"
            return StreamedPicture(index, name, self.source, error=error)
        return StreamedPicture(index, name, self.source, data)


def _entries(inputs: Sequence[str]) -> Iterator[_Entry]:
    """Yield all pictures of all inputs."""
    several = len(inputs) > 1
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            above = f"{path.resolve().name}/" if several else ""
            for file in _files_below(path):
                yield _Entry(above + file.relative_to(path).as_posix(), str(file))
        elif text.lower().endswith(TAR_SUFFIXES) and path.is_file():
            above = f"{path.name.split('.')[0]}/" if several else ""
            yield from _members(path, above)
        elif path.suffix.lower() == LIST_SUFFIX and path.is_file():
            yield from _listed(path)
        elif not path.exists() and _is_glob(text):
            found = sorted(p for p in glob.iglob(text, recursive=True) if os.path.isfile(p))
            yield from _below_common_folder([Path(p) for p in found])
        else:
            yield _Entry(path.name, text)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the pictures of a folder and the folders in it, in the order of their names."""

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be listed: {error.strerror}") from error

    for here, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES):
                yield Path(here, name)


def _members(path: Path, above: str) -> Iterator[_Entry]:
    """Yield the pictures of an archive, which is read once from its beginning to its end."""
    try:
        with tarfile.open(path, "r|*") as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep every one
                if info.isfile() and info.name.lower().endswith(SUFFIXES):
                    yield _Entry(above + info.name, f"{path}:{info.name}", archive, info)
    except _TAR_ERRORS as error:
        text = f"not a readable tar archive, or cut short ({error})"
        yield _Entry(path.name, str(path), error=text)


def _inside(name: str) -> str:
    """Name of a member without what would lead out of the output folder."""
    parts = [p for p in PurePosixPath(name).parts if p not in ("/", "..", ".")]
    return "/".join(parts)


def _listed(path: Path) -> Iterator[_Entry]:
    """Yield the paths of a list; lines that are empty or start with ``#`` are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield _Entry(path.name, str(path), error=f"not a list of paths in UTF-8 ({error})")
        return
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    yield from _below_common_folder([path.parent / name for name in named])


def _below_common_folder(files: Sequence[Path]) -> Iterator[_Entry]:
    """Yield the files, named below the innermost folder that all of them lie in."""
    root = os.path.commonpath([os.path.abspath(f.parent) for f in files]) if files else ""
    for file in files:
        yield _Entry(Path(os.path.abspath(file)).relative_to(root).as_posix(), str(file))


def _unique(name: str, taken: set[str]) -> str:
    """Return a name whose results have a place of their own."""
    path = PurePosixPath(name)
    stem, count = str(path.with_suffix("")), 1
    while (stem if count == 1 else f"{stem}_{count}") in taken:
        count += 1
    unique = stem if count == 1 else f"{stem}_{count}"
    taken.add(unique)
    return unique + path.suffix


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in _GLOB_SIGNS)
