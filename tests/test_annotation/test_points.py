import numpy as np
import pytest

from mmktn.annotation.points import (
    MAX_POINTS_PER_PART,
    point_count,
    sample_part_map,
    simulate_points,
)


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


def part_map():
    """Torso (1) as a large block, left hand (3) as a small one, in a 300 x 200 picture."""
    parts = np.zeros((300, 200), np.uint8)
    parts[40:240, 50:150] = 1
    parts[100:112, 150:160] = 3
    return parts


def test_points_lie_on_their_parts_and_on_the_grid_of_the_box():
    parts = part_map()
    found = sample_part_map(parts, rng=np.random.default_rng(0))
    x, y = found.pixels_xy.T
    assert (parts[y, x] == found.parts).all()
    counts = np.bincount(found.parts, minlength=15)
    # The hand covers 12 x 10 pixels of a box of 110 x 200: 2.3 x 1.28 cells each, 357 cells, 6.
    assert counts[1] == 14
    assert counts[3] == 6
    assert counts.sum() == 20
    assert found.box_xywh.tolist() == [50, 40, 110, 200]
    assert np.allclose(found.grid_xy[:, 0], (x + 0.5 - 50) * 256 / 110)
    assert np.allclose(found.grid_xy[:, 1], (y + 0.5 - 40) * 256 / 200)


def test_points_of_a_part_are_roughly_equidistant():
    found = sample_part_map(part_map(), rng=np.random.default_rng(1))
    torso = found.grid_xy[found.parts == 1]
    gaps = np.sort(np.linalg.norm(torso[:, None] - torso[None], axis=2), axis=1)[:, 1]
    # 14 cells of equal area on 232 x 256 cells of the grid are 65 wide.
    assert gaps.min() > 30
    assert gaps.max() < 110


def test_wrong_part_maps_are_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"holds 0\.\.15"):
        sample_part_map(np.array([[0, 15]]), rng=rng)
    with pytest.raises(ValueError, match="shows no part"):
        sample_part_map(np.zeros((4, 4), int), rng=rng)
    with pytest.raises(ValueError, match="whole numbers"):
        sample_part_map(np.ones((4, 4)), rng=rng)
    with pytest.raises(ValueError, match="box_xywh"):
        sample_part_map(np.ones((4, 4), int), rng=rng, box_xywh=(0, 0, 0, 4))
