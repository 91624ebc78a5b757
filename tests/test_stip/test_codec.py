import cv2
import numpy as np
import pytest
from mmpose.registry import KEYPOINT_CODECS

from mmktn.formats.keypoint_heatmaps import modulate, newton_step
from mmktn.stip.codec import RefinedHeatmap

SIZES = {"input_size": (96, 128), "heatmap_size": (48, 64), "sigma": 3}


def gaussian(x, y, sigma=3.0, peak=1.0, hw=(64, 48)):
    """Gaussian at a position between cells."""
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    return (peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype("f4")


def official_loop(heatmaps):
    """The official refinement written out map by map, cells as integers."""
    found = []
    for heatmap in heatmaps:
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        blurred = cv2.GaussianBlur(heatmap, (7, 7), 0)
        low, high = blurred.min(), blurred.max()
        log = np.log(np.clip((blurred - low) / (high - low) * heatmap.max(), 0.001, 50))
        p = np.pad(log, 1, mode="edge")
        r, c = y + 1, x + 1
        dx, dy = (p[r, c + 1] - p[r, c - 1]) / 2, (p[r + 1, c] - p[r - 1, c]) / 2
        dxx = p[r, c + 1] - 2 * p[r, c] + p[r, c - 1]
        dyy = p[r + 1, c] - 2 * p[r, c] + p[r - 1, c]
        dxy = (
            p[r + 1, c + 1] - p[r, c + 1] - p[r + 1, c] + 2 * p[r, c]
            - p[r, c - 1] - p[r - 1, c] + p[r - 1, c - 1]
        ) / 2  # fmt: skip
        hessian = np.array([[dxx, dxy], [dxy, dyy]]) + np.finfo("f4").eps * np.eye(2)
        found.append([x, y] - np.linalg.inv(hessian) @ [dx, dy])
    return np.array(found)


def test_decoding_is_the_official_loop_also_at_the_border():
    rng = np.random.default_rng(0)
    places = [(20.3, 31.8), (0.2, 5.0), (46.8, 62.9), (10.0, 0.0)]
    heatmaps = np.stack(
        [gaussian(x, y, peak=p) for (x, y), p in zip(places, (1, 0.4, 0.9, 0.7), strict=True)]
    )
    heatmaps += rng.normal(0, 0.01, heatmaps.shape).astype("f4")
    keypoints, scores = RefinedHeatmap(**SIZES).decode(heatmaps)
    # The reference inverts in float32, ours solves in float64.
    np.testing.assert_allclose(keypoints[0] / 2, official_loop(heatmaps), atol=1e-3)
    np.testing.assert_array_equal(scores[0], heatmaps.max((1, 2)))


def test_position_between_cells_is_recovered():
    rng = np.random.default_rng(1)
    places = rng.uniform((8, 8), (40, 56), size=(20, 2))
    heatmaps = np.stack([gaussian(x, y) for x, y in places])
    keypoints, _ = RefinedHeatmap(**SIZES).decode(heatmaps)
    error = np.abs(keypoints[0] / 2 - places)
    # Stretching to the old maximum bends the log parabola a little.
    assert error.max() < 0.05
    assert error.max() < np.abs(np.round(places) - places).max() / 5


def test_encoding_then_decoding_gives_the_nearest_cell():
    codec = RefinedHeatmap(**SIZES)
    keypoints = np.random.default_rng(2).uniform((20, 20), (80, 100), size=(1, 14, 2))
    encoded = codec.encode(keypoints, np.ones((1, 14)))
    decoded, _ = codec.decode(encoded["heatmaps"])
    # Targets are rounded to cells of two pixels: half a cell is one pixel.
    assert np.abs(decoded - keypoints).max() <= 1.0 + 1e-3


def test_empty_and_constant_maps_give_numbers():
    heatmaps = np.stack([np.zeros((64, 48)), np.full((64, 48), 0.5), np.full((64, 48), -1)])
    keypoints, scores = RefinedHeatmap(**SIZES).decode(heatmaps.astype("f4"))
    assert np.isfinite(keypoints).all()
    assert keypoints[0].tolist() == [[-2, -2], [0, 0], [-2, -2]]  # cell -1 as in mmpose
    assert scores[0].tolist() == [0, 0.5, -1]


def test_modulation_keeps_the_maximum_and_the_floor():
    maps = modulate(np.stack([gaussian(20, 30, peak=0.8)]))
    assert maps.max() == pytest.approx(np.log(0.8), abs=1e-6)
    assert maps.min() == pytest.approx(np.log(1e-3), abs=1e-6)


def test_newton_step_is_exact_on_a_parabola():
    rows, columns = np.mgrid[:9, :9].astype("f8")
    parabola = (
        -((columns - 4.3) ** 2) - 2 * (rows - 3.8) ** 2 + 0.5 * (columns - 4.3) * (rows - 3.8)
    )
    step = newton_step(parabola[None], np.array([[4.0, 4.0]]))
    np.testing.assert_allclose(step, [[0.3, -0.2]], atol=1e-6)


def test_heatmaps_are_not_changed_and_the_name_is_registered():
    heatmaps = np.stack([gaussian(20, 30)])
    before = heatmaps.copy()
    KEYPOINT_CODECS.build({"type": "mmktn.RefinedHeatmap", **SIZES}).decode(heatmaps)
    np.testing.assert_array_equal(heatmaps, before)
