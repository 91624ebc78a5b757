import numpy as np
import pytest

from mmktn.synthetic.background import _KINDS, random_background


@pytest.mark.parametrize("kind", [kind for kind, _ in _KINDS], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("horizon", [-0.4, 0.45, 1.3])
def test_every_kind_paints_any_horizon(kind, horizon):
    for seed in range(3):
        image = kind((96, 72), np.random.default_rng(seed), horizon)
        assert image.shape == (96, 72, 3)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()


def test_backgrounds_are_varied_repeatable_and_in_range():
    first = [random_background((48, 64), np.random.default_rng(seed)) for seed in range(20)]
    again = random_background((48, 64), np.random.default_rng(3))
    np.testing.assert_array_equal(first[3], again)
    stack = np.stack(first)
    assert stack.min() >= 0
    assert stack.max() <= 1
    assert stack.mean(axis=(1, 2, 3)).std() > 0.08
