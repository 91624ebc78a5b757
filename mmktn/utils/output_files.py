"""How every file of mmktn is written.

Never over an input, never over a file that stands there unless told, and whole or not at all.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mmktn.utils.user_error import UserError

# Added by the commands that write files: `--overwrite`.
OVERWRITE_HELP = "replace output files that exist already (never the inputs)"


class DiskFullError(UserError):
    """No space is left; further files would fail as well."""


def claim_output(
    path: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> Path:
    """Check, before any work is done, that a file may be written.

    Args:
        path: File that will be written. Its folder need not exist yet.
        inputs: Files that the command reads; none of them is ever written over, whatever path,
            link or spelling leads to it.
        overwrite: Whether a file that exists may be replaced.

    Returns:
        The path.

    Raises:
        UserError: The path is an input, a folder, exists and may not be replaced, or lies below
            something that is not a folder.
    """
    target = Path(path)
    try:
        for source in inputs:
            if _same_file(target, Path(source)):
                raise UserError(f"{target} is an input of this command; write to another file")
        if target.is_dir():
            raise UserError(f"{target} is a folder; give the name of a file to write")
        if (target.exists() or target.is_symlink()) and not overwrite:
            raise UserError(f"{target} exists; write to another file or pass --overwrite")
        _check_parent(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def claim_outputs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> list[Path]:
    """As `claim_output`, for all files of a run; its time does not grow with their product.

    Args:
        paths: Files that will be written.
        inputs: Files that the command reads.
        overwrite: Whether files that exist may be replaced.

    Returns:
        The paths.

    Raises:
        UserError: See `claim_output`; or two of the files would be one. Of files that exist the
            first is named, and how many there are.
    """
    kept = {key for source in inputs for key in _identities(Path(source))}
    claimed: dict[Path, Path] = {}
    standing = []
    for path in map(Path, paths):
        # Inputs are compared here, so that they are not gone through for every output.
        try:
            if kept & _identities(path):
                raise UserError(f"{path} is an input of this command; write to another folder")
            if path.is_file() and not overwrite:
                standing.append(path)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
        if path in claimed:
            raise UserError(f"two results would both be written to {path}; rename an input")
        claimed[path] = path if path in standing else claim_output(path, overwrite=overwrite)
    if standing:
        more = f" and {len(standing) - 1} more files exist" if standing[1:] else " exists"
        raise UserError(f"{standing[0]}{more}; write to another folder or pass --overwrite")
    return list(claimed)


def claim_folder(path: str | os.PathLike[str]) -> Path:
    """Check that a folder for outputs exists or can be made; it is not made yet.

    Args:
        path: Folder that files will be written into.

    Returns:
        The path.

    Raises:
        UserError: The path is a file or lies below one.
    """
    folder = Path(path)
    try:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; give a folder to write into")
        _check_parent(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Args:
        path: File to write; its folder is created.

    Yields:
        Binary handle of a temporary file beside it, moved to `path` when the block ends without
        error and removed otherwise.

    Raises:
        UserError: The file cannot be written, because the disk is full for example.
    """
    with named_errors(Path(path)), _part_file(Path(path)) as handle:
        yield handle


@contextmanager
def replace_atomically_by_name(path: str | os.PathLike[str]) -> Iterator[Path]:
    """As `replace_atomically`, for writers that open files by name (OpenCV, PyAV, SQLite).

    Args:
        path: File to write; its folder is created.

    Yields:
        Name of an empty temporary file in the same folder, with the suffix of `path`.

    Raises:
        UserError: The file cannot be written, because the disk is full for example.
    """
    with named_errors(Path(path)), _part_file(Path(path)) as handle:
        handle.close()
        yield Path(handle.name)
        with open(handle.name, "rb+") as written:
            os.fsync(written.fileno())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replace_atomically(path) as handle:
        handle.write(text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], content: Any, **options: Any) -> None:
    """Write a JSON file, whole or not at all; `options` are those of `json.dumps`."""
    write_text(path, json.dumps(content, **options))


@contextmanager
def _part_file(path: Path) -> Iterator[IO[bytes]]:
    """Temporary file beside `path` that takes its place at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed below, before the move)
        dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=f".part{path.suffix}", delete=False
    )
    try:
        with handle:
            yield handle
            if not handle.closed:
                handle.flush()
                os.fsync(handle.fileno())
        # Temporary files are private; the result has the permissions of any other new file.
        os.chmod(handle.name, 0o666 & ~_umask())
        os.replace(handle.name, path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into one line that names the file or folder that was wanted.

    Raises:
        DiskFullError: The disk is full.
        UserError: Another error of the file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"{path} cannot be written: the disk is full; nothing was written"
            raise DiskFullError(text) from error
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _identities(path: Path) -> set[object]:
    """Return what is equal for two paths of one file: file's number if it exists, the real path."""
    real: set[object] = {os.path.realpath(path)}
    try:
        found = path.stat()
    except (OSError, ValueError):
        return real
    return real | {(found.st_dev, found.st_ino)}


def _same_file(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file, or would once they exist."""
    if first.exists() and second.exists():
        return first.samefile(second)
    return first.resolve() == second.resolve()


def _check_parent(path: Path) -> None:
    """Refuse a path whose nearest existing ancestor is no folder."""
    for parent in path.absolute().parents:
        if parent.is_dir():
            return
        if parent.exists():
            raise UserError(f"{path} cannot be written: {parent} is no folder")


def _umask() -> int:
    """Return the process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
