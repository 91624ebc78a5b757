"""The licence-free procedural human that mmktn ships.

The mesh, charts, skeleton and keypoints are made by tools/surface/build_surface.py and stored
beside this file, so that opening it needs numpy and scipy only.
"""

from functools import lru_cache
from pathlib import Path

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.io import load_surface_file

DATA_FILE = Path(__file__).parent / "data" / "procedural_body.npz"


@lru_cache(maxsize=1)
def make_procedural_body() -> BodySurface:
    """The procedural body: about 1.70 m, A-pose, y up, facing +z, the person's left at +x.

    Returns:
        The surface; one object per process, do not change it.
    """
    return load_surface_file(DATA_FILE)
