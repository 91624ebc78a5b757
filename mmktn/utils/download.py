"""Fetch a file from an address: whole, named after its address, and nothing is run.

A transfer that breaks off goes on where it stopped, in the same run or the next one. The content
is hashed on its way and compared with what is known about it before it gets its name.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmktn.utils.file_lock import single_writer
from mmktn.utils.output_files import DiskFullError, write_json
from mmktn.utils.partial_download import PartialDownload, sha256_of
from mmktn.utils.user_error import UserError, one_line

SCHEMES = ("http", "https")
HOME_VARIABLE = "MMKTN_HOME"
OFFLINE_VARIABLE = "MMKTN_OFFLINE"
MIRROR_VARIABLE = "MMKTN_MIRROR"
TIMEOUT_S = 30.0
# Requests in a row that may bring nothing new, and the pause before the next one.
TRIES = 3
PAUSE_S = 2.0
# No checkpoint is larger; a server that never stops would fill the disk.
MAX_BYTES = 20 << 30
# Answers that may be better a moment later.
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# OpenMMLab and torchvision publish files as NAME-HASH.pth, HASH being the start of the SHA-256.
_PUBLISHED = re.compile(r"-([a-f0-9]{8,})\.[a-z.]+$")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Pin:
    """What is known beforehand about the content of an address.

    Attributes:
        bytes: Its length.
        sha256: Its SHA-256.
    """

    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched.

    Attributes:
        path: The file.
        sha256: SHA-256 of its content.
        bytes: Its length.
    """

    path: Path
    sha256: str
    bytes: int


class _BrokenOffError(Exception):
    """A transfer stopped before its end; asking again may help."""


def home_folder() -> Path:
    """Return the folder of fetched files: `MMKTN_HOME` or `~/.cache/mmktn`."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "mmktn"


def is_offline() -> bool:
    """Whether the user forbade the network with `MMKTN_OFFLINE=1`."""
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


def place_of(address: str) -> Path:
    """Tell where the content of an address is kept; different addresses never share a file."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(address).path)
    key = sha256(address.encode()).hexdigest()[:16]
    return home_folder() / "downloads" / key / (Path(path).name or "file")


NOTHING_KNOWN = Pin()


def fetch(address: str, pin: Pin = NOTHING_KNOWN, *, mirrored: bool = False) -> Fetched:
    """Fetch a file, or find it where it was put before.

    Args:
        address: `http://` or `https://` address.
        pin: What is known about the content.
        mirrored: Whether `MMKTN_MIRROR` stands in for the address: another address, to which the
            path is appended, or a folder, in which the file lies below its path or by its name.

    Returns:
        The file: below `home_folder()`, or in the mirror's folder.

    Raises:
        UserError: The address is of another scheme, cannot be reached, or answers with an error;
            the transfer was cut; the content is not what is known, or not the one that the name
            promises; or the network is forbidden (`MMKTN_OFFLINE=1`).
    """
    if not _is_address(address):
        raise UserError(f"{address}: not an address (http://... or https://...)")
    target = place_of(address)
    if target.is_file():
        return _kept(target, pin)
    mirror = os.environ.get(MIRROR_VARIABLE, "") if mirrored else ""
    if mirror and not _is_address(mirror):
        return find_in_folder(Path(mirror), urllib.parse.urlsplit(address).path, pin)
    if is_offline():
        raise UserError(
            f"{address} is not on this machine, and {OFFLINE_VARIABLE}=1 forbids to fetch it: "
            f"unset it, or put {target.name} into a folder and set {MIRROR_VARIABLE} to that"
        )
    source = mirror.rstrip("/") + urllib.parse.urlsplit(address).path if mirror else address
    try:
        waiting = f"another process is fetching {target.name}; waiting for it"
        with single_writer(target, waiting=waiting):
            if target.is_file():  # that process fetched it
                return _kept(target, pin)
            return _transfer(source, target, pin, advice=_advice(target) if mirrored else "")
    except OSError as error:
        raise UserError(
            f"{target}: {error.strerror or error}; {HOME_VARIABLE} names the folder of fetched "
            "files"
        ) from error


def find_in_folder(folder: Path, path: str, pin: Pin = NOTHING_KNOWN) -> Fetched:
    """Find a file in a folder that stands in for an address.

    Args:
        folder: The folder.
        path: Path of an address, or a name; the file lies below that path, or by its last part.
        pin: What is known about the content.

    Raises:
        UserError: No such folder or file, or its content is not what is known.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise UserError(
            f"{MIRROR_VARIABLE}={folder}: no such folder, and no address (http://... or https://...)"
        )
    relative = urllib.parse.unquote(path).lstrip("/")
    for place in (folder / relative, folder / Path(relative).name):
        if place.is_file():
            return _check(Fetched(place, sha256_of(place), place.stat().st_size), pin, str(place))
    raise UserError(
        f"{MIRROR_VARIABLE}={folder} has no {Path(relative).name}; put that file into the folder"
    )


def say(text: str) -> None:
    """Tell the user something on stderr, in one line."""
    sys.stderr.write(f"{one_line(text)}\n")
    sys.stderr.flush()


def readable_size(count: int | None) -> str:
    """Return a number of bytes as people write it."""
    if count is None:
        return "unknown size"
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} bytes"


def _is_address(text: str) -> bool:
    parts = urllib.parse.urlsplit(text)
    return parts.scheme in SCHEMES and bool(parts.netloc)


def _advice(target: Path) -> str:
    return f"; a browser may get it: put {target.name} into a folder and set {MIRROR_VARIABLE}"


def _kept(target: Path, pin: Pin) -> Fetched:
    """Return a file that was fetched before.

    Raises:
        UserError: It has changed since, or is not what is known.
    """
    size = target.stat().st_size
    try:
        record = json.loads(_record_of(target).read_text(encoding="utf-8"))
        digest, length = str(record["sha256"]), int(record["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        digest, length = sha256_of(target), size
    if length != size:
        raise UserError(
            f"{target} has {size} bytes, and had {length} when it was fetched: it was damaged; "
            "delete it, so that it is fetched again"
        )
    return _check(Fetched(target, digest, size), pin, f"{target} (delete it to fetch it again)")


def _record_of(target: Path) -> Path:
    return target.with_name(target.name + ".json")


def _check(found: Fetched, pin: Pin, name: str) -> Fetched:
    """Compare a file with what is known about it.

    Raises:
        UserError: They differ.
    """
    if pin.bytes is not None and found.bytes != pin.bytes:
        raise UserError(f"{name}: has {found.bytes} bytes, not the {pin.bytes} that are known")
    if pin.sha256 is not None and found.sha256 != pin.sha256:
        raise UserError(
            f"{name}: the content is not the one that is known (SHA-256 {found.sha256[:16]}..., "
            f"not {pin.sha256[:16]}...)"
        )
    return found


def _transfer(source: str, target: Path, pin: Pin, *, advice: str) -> Fetched:
    """Write the content of an address to a file; all errors become one line."""
    part = PartialDownload(target, source, pinned=pin.sha256 is not None)
    failed = 0
    try:
        while part.size == 0 or part.size != part.total:
            before = part.size
            try:
                _request(source, part, pin, advice=advice)
                break
            except _BrokenOffError as error:
                part.keep_or_drop()
                failed = 0 if part.size > before else failed + 1
                if failed >= TRIES:
                    kept = f"; the first {part.size} bytes are kept for it" if part.size else ""
                    raise UserError(f"{source}: {error}; try again{kept}{advice}") from error
                time.sleep(PAUSE_S)
    except UserError:
        part.keep_or_drop()
        raise
    except BaseException:
        part.keep_or_drop()
        if part.size:
            say(f"{target.name}: {part.size} bytes are kept; the next try goes on from there")
        raise
    found = Fetched(target, part.digest.hexdigest(), part.size)
    try:
        _check(found, pin, source)
        _check_name(found, source)
    except UserError:
        part.drop()
        raise
    write_json(_record_of(target), {"sha256": found.sha256, "bytes": found.bytes, "from": source})
    part.become_target()
    return found


def _check_name(found: Fetched, source: str) -> None:
    """See that a content is the one that its name promises.

    Raises:
        UserError: It is not.
    """
    promised = _PUBLISHED.search(found.path.name)
    if promised is not None and not found.sha256.startswith(promised.group(1)):
        raise UserError(
            f"{source}: the content is not that of its name (SHA-256 {found.sha256[:16]}..., "
            f"the name promises {promised.group(1)})"
        )


def _request(source: str, part: PartialDownload, pin: Pin, *, advice: str) -> None:
    """Ask once, and write what comes behind what is there."""
    headers = {"User-Agent": "mmktn", "Accept-Encoding": "identity"}
    if part.resumable:
        headers["Range"] = f"bytes={part.size}-"
        if part.mark is not None:
            headers["If-Range"] = part.mark
    try:
        opener = urllib.request.build_opener(_SafeRedirects)
        request = urllib.request.Request(source, headers=headers)
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            _receive(source, answer, part, pin)
    except urllib.error.HTTPError as error:
        text = f"the server answers {error.code} {error.reason}"
        if error.code == 416 and part.size:  # the file there is shorter than what is here
            part.drop()
            raise _BrokenOffError(text) from error
        if error.code in _TRANSIENT:
            raise _BrokenOffError(text) from error
        raise UserError(f"{source}: {text}{advice}") from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        text = f"cannot be reached ({one_line(str(reason))})"
        if part.size:  # it could be a moment ago
            raise _BrokenOffError(text) from error
        raise UserError(f"{source}: {text}; is there a network?{advice}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(f"the transfer broke off ({one_line(str(error))})") from error


def _receive(source: str, answer: Any, part: PartialDownload, pin: Pin) -> None:
    """Write the body of an answer.

    Raises:
        UserError: It is not the file that was asked for, or too large.
        _BrokenOffError: It ended too early.
    """
    goes_on, total = _extent(answer, part)
    if answer.headers.get_content_type() == "text/html" and part.target.suffix != ".html":
        raise UserError(
            f"{source}: the server sends a web page and not a file; does a login or proxy stand "
            "between?"
        )
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise UserError(f"{source}: the server sends it packed ({coding}), against what was asked")
    if pin.bytes is not None and total is not None and total != pin.bytes:
        raise UserError(
            f"{source}: the server has {total} bytes, not the {pin.bytes} that are known"
        )
    if total is not None and total > MAX_BYTES:
        raise UserError(f"{source}: {readable_size(total)} are more than a checkpoint has")
    mark = _version_mark(answer)
    part.begin(mark=mark, total=total, keep=goes_on)
    _check_space(part)
    behind = f", behind the {part.size} bytes that are here" if part.size else ""
    say(f"fetching {part.target.name} ({readable_size(total)}) from {source}{behind}")
    with _meter(part.target.name, total, part.size) as advance:
        while block := answer.read(_BLOCK):
            part.write(block)
            advance(len(block))
            if part.size > (total or MAX_BYTES):
                part.drop()
                raise UserError(f"{source}: the server sends more than a checkpoint has")
    if total is not None and part.size < total:
        raise _BrokenOffError(f"the transfer was cut after {part.size} of {total} bytes")


def _extent(answer: Any, part: PartialDownload) -> tuple[bool, int | None]:
    """Whether an answer goes on behind what is there, and the length of the whole file."""
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    if answer.status != 206:
        return False, total
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != part.size:
        part.drop()
        raise _BrokenOffError("the server answers with another part than it was asked for")
    total = int(found[2])
    marks = {part.mark, _version_mark(answer)} - {None}
    if part.total not in (None, total) or len(marks) > 1:
        part.drop()
        raise _BrokenOffError("the server answers with a part of another file than before")
    return True, total


def _version_mark(answer: Any) -> str | None:
    """Return what tells versions of a file apart, if the server says it; weak ETags do not."""
    mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    return None if mark is None or mark.startswith("W/") else mark


def _check_space(part: PartialDownload) -> None:
    """See that the rest fits on the disk.

    Raises:
        DiskFullError: It does not.
    """
    if part.total is None:
        return
    with part.errors():
        free = shutil.disk_usage(part.target.parent).free
    if part.total - part.size > free:
        wanted = part.total - part.size
        part.drop()
        raise DiskFullError(
            f"{part.target} needs {readable_size(wanted)} and the disk has {readable_size(free)} "
            f"left; set {HOME_VARIABLE} to a folder on another one"
        )


@contextmanager
def _meter(name: str, total: int | None, done: int) -> Iterator[Callable[[int], object]]:
    """Show progress on a terminal; gives a function that takes numbers of bytes."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield lambda count: bar.advance(task, count)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses of the same kind, never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Make the next request."""
        new = urllib.parse.urlsplit(newurl).scheme
        if new not in SCHEMES or (req.type == "https" and new != "https"):
            raise UserError(f"{req.full_url}: the server sends on to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
