import numpy as np
import pytest

from mmktn.surface import parts
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, ChartSymmetry

STEP = 1 / 255


def test_convention_flip_permutations():
    official = "0 1 2 4 3 6 5 8 7 10 9 12 11 14 13 16 15 18 17 20 19 22 21 24 23"
    assert CHART_FLIP.tolist() == [int(n) for n in official.split()]
    assert COARSE_FLIP.tolist() == [0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14]


@pytest.mark.parametrize("table", [CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP])
def test_flipping_twice_is_the_identity(table):
    np.testing.assert_array_equal(table[table], np.arange(len(table)))


def _swapped(name: str) -> str:
    return name.replace("left", "#").replace("right", "left").replace("#", "right")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (CHART_FLIP, parts.CHART_NAMES),
        (COARSE_FLIP, parts.COARSE_PART_NAMES),
        (KEYPOINT_FLIP, parts.COCO_KEYPOINT_NAMES),
    ],
)
def test_flip_swaps_left_and_right_in_the_names(table, names):
    for index, name in enumerate(names):
        assert names[table[index]] == _swapped(name)


def test_flip_keeps_the_coarse_part_of_a_chart():
    np.testing.assert_array_equal(
        parts.CHART_TO_COARSE[CHART_FLIP], COARSE_FLIP[parts.CHART_TO_COARSE]
    )


def test_tables_are_indexed_by_v_then_u_with_the_old_chart():
    u_tables = np.zeros((24, 256, 256))
    v_tables = np.zeros((24, 256, 256))
    # chart 5, u = 0.2 -> column 51, v = 0.8 -> row 204
    u_tables[4, 204, 51], v_tables[4, 204, 51] = 0.25, 0.75
    u, v = ChartSymmetry(u_tables, v_tables).flip_uv([5, 6, 0], [0.2, 0.2, 0.3], [0.8, 0.8, 0.4])
    np.testing.assert_allclose(u, [0.25, 0, 0.3], atol=1e-7)
    np.testing.assert_allclose(v, [0.75, 0, 0.4], atol=1e-7)


def test_axis_flips_give_the_mirror_within_half_a_step():
    flip_u, flip_v = np.arange(24) % 2 == 0, np.arange(24) % 3 == 0
    symmetry = ChartSymmetry.from_axis_flips(flip_u, flip_v)
    rng = np.random.default_rng(0)
    charts = rng.integers(1, 25, 5000)
    u, v = rng.random((2, 5000))
    new_u, new_v = symmetry.flip_uv(charts, u, v)
    # half a table step and the rounding of float32
    assert np.abs(new_u - np.where(flip_u[charts - 1], 1 - u, u)).max() <= 0.5 * STEP + 1e-6
    assert np.abs(new_v - np.where(flip_v[charts - 1], 1 - v, v)).max() <= 0.5 * STEP + 1e-6


def test_convention_flip_twice_moves_at_most_one_table_step(body):
    rng = np.random.default_rng(1)
    charts = rng.integers(0, 25, 20000)
    u, v = rng.random((2, 20000))
    u[:200], v[100:300] = 1.0, 0.0
    once = body.symmetry.flip_uv(charts, u, v)
    twice = body.symmetry.flip_uv(CHART_FLIP[charts], *once)
    assert max(np.abs(twice[0] - u).max(), np.abs(twice[1] - v).max()) <= STEP + 1e-6


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([25], [0.1], [0.1]), "0..24"),
        (([3], [1.2], [0.1]), "u must lie"),
        (([3], [0.2], [np.nan]), "v must lie"),
    ],
)
def test_bad_points_are_named(body, arguments, text):
    with pytest.raises(ValueError, match=text):
        body.symmetry.flip_uv(*arguments)


def test_bad_tables_are_named():
    good = np.zeros((24, 256, 256))
    with pytest.raises(ValueError, match="v_tables must have shape"):
        ChartSymmetry(good, good[:23])
    with pytest.raises(ValueError, match="u_tables must hold"):
        ChartSymmetry(good - 1, good)
