"""Folder of the on-disk cache."""

import os
from pathlib import Path

CACHE_VARIABLE = "MMKTN_CACHE_DIR"


def cache_folder() -> Path:
    """Folder of everything mmktn computes once: ``MMKTN_CACHE_DIR`` or ``~/.cache/mmktn``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mmktn"
