"""Fetch a file from an address: whole, named after its address, and nothing is run."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError, one_line

SCHEMES = ("http", "https")
HOME_VARIABLE = "MMKTN_HOME"
TIMEOUT_S = 30.0
# OpenMMLab and torchvision publish files as NAME-HASH.pth, HASH being the start of the SHA-256.
_PUBLISHED = re.compile(r"-([a-f0-9]{8,})\.[a-z.]+$")
_BLOCK = 1 << 20


def home_folder() -> Path:
    """Folder of fetched files: `MMKTN_HOME` or `~/.cache/mmktn`."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mmktn"


def fetch(address: str) -> Path:
    """Fetch a file, or find it where it was put before.

    Args:
        address: `http://` or `https://` address.

    Returns:
        The file, below `home_folder()`; different addresses never share a file.

    Raises:
        UserError: The address is of another scheme, cannot be reached, or answers with an error;
            the transfer was cut; or the content is not the one that the name promises.
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise UserError(f"{address}: not an address (http://... or https://...)")
    name = Path(urllib.parse.unquote(parts.path)).name or "file"
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    target = home_folder() / "downloads" / key / name
    if not target.is_file():
        _transfer(address, target)
    return target


def _transfer(address: str, target: Path) -> None:
    """Write the content of an address to a file; all errors become one line."""
    request = urllib.request.Request(address, headers={"User-Agent": "mmktn"})
    try:
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer,
            replace_atomically(target) as handle,
        ):
            _copy(address, answer, handle, target.name)
    except UserError:
        raise
    except urllib.error.HTTPError as error:
        raise UserError(f"{address}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise UserError(f"{address}: cannot be reached ({one_line(str(reason))})") from error
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{address}: the transfer broke off ({one_line(str(error))})") from error


def _copy(address: str, answer: http.client.HTTPResponse, handle: IO[bytes], name: str) -> None:
    """Copy a body, counting and hashing it."""
    announced = answer.headers.get("Content-Length")
    digest, count = hashlib.sha256(), 0
    while block := answer.read(_BLOCK):
        handle.write(block)
        digest.update(block)
        count += len(block)
    if announced is not None and announced.isdigit() and int(announced) != count:
        raise UserError(
            f"{address}: the transfer was cut after {count} of {announced} bytes; try again"
        )
    promised = _PUBLISHED.search(name)
    if promised is not None and not digest.hexdigest().startswith(promised.group(1)):
        raise UserError(
            f"{address}: the content is not that of its name (SHA-256 "
            f"{digest.hexdigest()[:16]}..., the name promises {promised.group(1)})"
        )
