import numpy as np
import pytest

from mmktn.synthetic.occluder import Occluder, random_occluder


def shape(**changes):
    values = {
        "centre": np.array([10.0, 20.0]),
        "half_size": np.array([6.0, 3.0]),
        "angle": 0.0,
        "power": 2.0,
        "ripple": 0.0,
        "phase": 0.0,
        "depth": 2.0,
        "colors": np.ones((2, 3), np.float32),
    }
    return Occluder(**(values | changes))


def test_ellipse_box_and_turn():
    x, y = np.array([15.5, 10.0, 14.9, 16.5]), np.array([20.0, 22.5, 22.4, 20.0])
    np.testing.assert_array_equal(shape().covers(x, y), [True, True, False, False])
    np.testing.assert_array_equal(shape(power=40.0).covers(x, y), [True, True, True, False])
    turned = shape(angle=np.pi / 2)
    np.testing.assert_array_equal(
        turned.covers(np.array([10.0, 15.5]), np.array([25.5, 20.0])), [True, False]
    )


def test_ellipse_area():
    y, x = np.mgrid[0:400, 0:200] / 10
    area = shape().covers(x, y).sum() / 100
    assert area == pytest.approx(np.pi * 6 * 3, rel=0.01)


def test_random_ones_touch_their_target():
    target = np.array([60.0, 40.0, 110.0, 180.0])
    y, x = np.mgrid[0:200, 0:160] + 0.5
    inside = (x > 60) & (x < 110) & (y > 40) & (y < 180)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        occluder = random_occluder(rng, shape_hw=(200, 160), target=target, depth=1.5)
        covered = occluder.covers(x, y) & inside
        assert 0.005 < covered.sum() / inside.sum() < 0.9
        assert occluder.paint((20, 16), rng).shape == (20, 16, 3)
