"""The files of the parity tests: MMKTN_REFERENCE_DIR, else the copies in tests/data/reference.

A file's content says what it is, not its name, so that every `.npz` of the folder is read.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np

COPIES = Path(__file__).parent / "data" / "reference"
FOLDER = Path(os.environ.get("MMKTN_REFERENCE_DIR") or COPIES)
if FOLDER != COPIES and not any(FOLDER.glob("*.npz")):
    raise FileNotFoundError(
        f"MMKTN_REFERENCE_DIR={FOLDER} holds no .npz file, so that no parity test would run; "
        "correct it, or unset it for the copies in tests/data/reference"
    )
# Key lists of full-size models; a folder may hold none.
KEYS = FOLDER / "keys" if (FOLDER / "keys").is_dir() else COPIES / "keys"


@cache
def kind_of(path: Path) -> str:
    """Tell a whole detector, a STIP network and a dense-pose branch apart, else ``"unknown"``."""
    with np.load(path, allow_pickle=False) as data:
        names = data.files
    if "image_bgr" in names:
        return "detector"
    if "out/final_heatmap/value" in names:
        return "stip"
    if "input" in names or "feat/p2" in names:
        return "branch"
    return "unknown"


def files(kind: str) -> list[Path]:
    """Parity files of a kind."""
    return [path for path in sorted(FOLDER.glob("*.npz")) if kind_of(path) == kind]
