import numpy as np
import pytest

from mmktn.synthetic.noise import blend, fractal_noise, hsv, natural_color, random_color


@pytest.mark.parametrize(
    ("hue", "rgb"),
    [(0, (1, 0, 0)), (1 / 6, (1, 1, 0)), (1 / 3, (0, 1, 0)), (0.5, (0, 1, 1)), (2 / 3, (0, 0, 1))],
)
def test_pure_hues(hue, rgb):
    np.testing.assert_allclose(hsv(hue, 1, 1), rgb, atol=1e-6)
    np.testing.assert_allclose(hsv(hue, 0, 0.4), [0.4] * 3, atol=1e-6)


def test_colors_stay_in_range():
    rng = np.random.default_rng(0)
    colors = np.stack([f(rng) for _ in range(200) for f in (random_color, natural_color)])
    assert colors.min() >= 0
    assert colors.max() <= 1
    assert colors.std() > 0.1


def test_fractal_noise_fills_the_unit_range_smoothly():
    noise = fractal_noise((60, 90), np.random.default_rng(1), cells=3, octaves=3)
    assert noise.shape == (60, 90)
    assert noise.min() == 0
    assert noise.max() == pytest.approx(1)
    # Neighbours differ far less than independent values would (1/3 on average).
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.05


def test_blend_ends():
    weight = np.array([0.0, 1.0, 0.25], np.float32)
    mixed = blend(np.zeros(3, np.float32), np.ones(3, np.float32), weight)
    np.testing.assert_allclose(mixed, weight[:, None].repeat(3, axis=1))
