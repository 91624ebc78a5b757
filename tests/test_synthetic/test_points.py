import numpy as np
import pytest

from mmktn.synthetic.points import MAX_POINTS_PER_PART, point_count, simulate_points


def disc(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    inside = x**2 + y**2 <= radius**2
    return np.stack([x[inside], y[inside]], axis=1) + 50


def test_count_grows_with_the_area_up_to_fourteen():
    assert [point_count(a) for a in (1, 64, 160, 640, 896, 1e6)] == [1, 1, 2, 10, 14, 14]


@pytest.mark.parametrize("radius", [1, 4, 12, 30])
def test_chosen_pixels_are_different_pixels_of_the_part(radius):
    pixels = disc(radius)
    chosen = simulate_points(pixels, (1.0, 1.0), rng=np.random.default_rng(0))
    assert len(np.unique(chosen)) == len(chosen) <= point_count(len(pixels))
    assert chosen.min() >= 0
    assert chosen.max() < len(pixels)


def test_a_small_image_part_never_gets_more_points_than_pixels():
    pixels = disc(1)
    chosen = simulate_points(pixels, (30.0, 30.0), rng=np.random.default_rng(0))
    assert len(chosen) <= len(pixels) == 5


@pytest.mark.parametrize("seed", range(4))
def test_points_spread_evenly_and_cover_the_part(seed):
    """Equal cells of a disc have a radius of R / sqrt(14); spacing and holes are near that."""
    radius = 40
    pixels = disc(radius)
    chosen = pixels[simulate_points(pixels, (1.0, 1.0), rng=np.random.default_rng(seed))]
    assert len(chosen) == MAX_POINTS_PER_PART
    cell = radius / np.sqrt(MAX_POINTS_PER_PART)
    between = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
    between[np.diag_indices(len(chosen))] = np.inf
    assert between.min() > 0.9 * cell
    nearest = np.linalg.norm(pixels[:, None] - chosen[None], axis=2).min(axis=1)
    assert nearest.max() < 2.2 * cell


def test_distances_are_those_of_the_annotation_grid():
    """Pixels stretched along x in the grid are told apart along x alone."""
    y, x = np.mgrid[0:4, 0:8]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    chosen = pixels[simulate_points(pixels, (16.0, 0.5), rng=np.random.default_rng(1))]
    assert len(chosen) == 4  # 32 pixels of 8 cells
    assert len(set(chosen[:, 0])) == 4


def test_same_seed_same_points():
    pixels = disc(35)
    first, second = (simulate_points(pixels, (1, 1), rng=np.random.default_rng(5)) for _ in "ab")
    np.testing.assert_array_equal(first, second)


def test_empty_part_is_an_error():
    with pytest.raises(ValueError, match="no visible pixel"):
        simulate_points(np.zeros((0, 2), int), (1, 1), rng=np.random.default_rng(0))
