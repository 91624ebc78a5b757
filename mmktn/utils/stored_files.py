"""Files of this machine's disk, and of elsewhere through mmengine's storage clients.

mmengine imports torch, which readers of local files do without: it is asked where the address or
`backend_args` call for it.
"""

from __future__ import annotations

import os
from typing import Any


def fetch_bytes(address: str, backend_args: dict[str, Any] | None = None) -> bytes:
    """Get a file.

    Args:
        address: What the storage client calls it.
        backend_args: Of mmengine.fileio; None leaves the choice to the address.

    Returns:
        Its content.
    """
    from mmengine import fileio

    return fileio.get(address, backend_args=backend_args)


def is_remote(address: str | os.PathLike[str], backend_args: dict[str, Any] | None = None) -> bool:
    """Whether a storage client is asked: for `s3://bucket/file`, or with arguments of one."""
    return backend_args not in (None, {}, {"backend": "local"}) or "://" in os.fspath(address)


def is_stored_file(address: str, backend_args: dict[str, Any] | None = None) -> bool:
    """Whether a file is there; arguments as in `fetch_bytes`."""
    if not is_remote(address, backend_args):
        return os.path.isfile(address)
    from mmengine import fileio

    return bool(fileio.isfile(address, backend_args=backend_args))


def is_stored_folder(address: str, backend_args: dict[str, Any] | None = None) -> bool:
    """Whether a folder is there; arguments as in `fetch_bytes`."""
    if not is_remote(address, backend_args):
        return os.path.isdir(address)
    from mmengine import fileio

    return bool(fileio.isdir(address, backend_args=backend_args))
