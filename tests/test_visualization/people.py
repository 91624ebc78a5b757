"""Small made-up chart results shared by the drawing tests."""

import numpy as np

from mmktn.formats.iuv_canvas import ChartCanvas


def random_iuv(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """(3, h, w) uint8 with every chart and some background."""
    rng = np.random.default_rng(seed)
    iuv = rng.integers(0, 256, (3, height, width)).astype(np.uint8)
    iuv[0] = rng.integers(0, 25, (height, width))
    iuv[1:, iuv[0] == 0] = 0
    return iuv


def random_canvas(height: int = 20, width: int = 30, *, seed: int = 0) -> ChartCanvas:
    iuv = random_iuv(height, width, seed=seed)
    return ChartCanvas(iuv, (iuv[0] > 0).astype(np.int32))


def plain_iuv(height: int, width: int, chart: int, u: int = 0, v: int = 0) -> np.ndarray:
    """(3, h, w) uint8 of one chart and one (u, v)."""
    values = np.array([chart, u, v], np.uint8)
    return np.broadcast_to(values[:, None, None], (3, height, width)).copy()
