"""Files that are not on this machine's disk, through mmengine's storage clients."""

from __future__ import annotations

from typing import Any


def fetch_bytes(address: str, backend_args: dict[str, Any] | None = None) -> bytes:
    """Get a file.

    Args:
        address: What the storage client calls it.
        backend_args: Of mmengine.fileio; None leaves the choice to the address.

    Returns:
        Its content.
    """
    from mmengine import fileio  # imports torch, which readers of local files do without

    return fileio.get(address, backend_args=backend_args)
