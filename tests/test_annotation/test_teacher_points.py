"""Which pixels of a prediction become points: counts, chances, seeds."""

import numpy as np
import pytest

from mmktn.annotation.teacher_points import draw_pixels

# Chart 3 has 90 pixels, chart 7 ten, chart 20 two.
CHARTS = np.repeat([3, 7, 20], [90, 10, 2])
SURE = np.random.default_rng(9).permutation(len(CHARTS)) / 1000.0


def draw(sampler, seed=0, **options):
    return draw_pixels(CHARTS, SURE, sampler=sampler, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("count", [0, 1, 50, 102, 1000])
def test_uniform_draws_so_many_of_all_pixels_and_none_twice(count):
    found = draw("uniform", count=count)
    assert len(found) == len(np.unique(found)) == min(count, len(CHARTS))
    assert found.tolist() == sorted(found)


@pytest.mark.parametrize("sampler", ["chart", "confidence"])
@pytest.mark.parametrize("per_chart", [1, 5, 50])
def test_charts_get_equally_many_points_as_far_as_they_have_them(sampler, per_chart):
    found = draw(sampler, per_chart=per_chart, pool=2)
    assert len(found) == len(np.unique(found))
    counts = [int((CHARTS[found] == chart).sum()) for chart in (3, 7, 20)]
    assert counts == [min(per_chart, size) for size in (90, 10, 2)]


def test_uniform_follows_the_areas_and_chart_does_not():
    """600 draws of 10: shares of the charts, and every pixel of a chart has the same chance."""
    shares = {}
    for sampler, options in (("uniform", {"count": 10}), ("chart", {"per_chart": 5})):
        drawn = np.concatenate([draw(sampler, seed, **options) for seed in range(600)])
        shares[sampler] = np.bincount(CHARTS[drawn], minlength=25)[[3, 7]] / len(drawn)
        times = np.bincount(drawn, minlength=len(CHARTS))[:90]
        # A pixel is drawn 59 or 33 times on average; four deviations are below 30.
        assert np.abs(times - times.mean()).max() < 30
    np.testing.assert_allclose(shares["uniform"], [90 / 102, 10 / 102], atol=0.015)
    np.testing.assert_allclose(shares["chart"], [5 / 12, 5 / 12])


def test_confidence_draws_among_the_surest():
    surest = {chart: np.flatnonzero(chart == CHARTS) for chart in (3, 7)}
    surest = {c: p[np.argsort(-SURE[p])] for c, p in surest.items()}
    found = draw("confidence", per_chart=4, pool=1)
    for chart, pixels in surest.items():
        assert set(found[CHARTS[found] == chart]) == set(pixels[:4])
    seen = set(np.concatenate([draw("confidence", s, per_chart=4, pool=2) for s in range(50)]))
    assert {p for p in seen if CHARTS[p] == 3} == set(surest[3][:8])


@pytest.mark.parametrize("sampler", ["uniform", "chart", "confidence"])
def test_the_seed_decides_the_points(sampler):
    options = {"count": 20, "per_chart": 6}
    assert np.array_equal(draw(sampler, 1, **options), draw(sampler, 1, **options))
    assert not np.array_equal(draw(sampler, 1, **options), draw(sampler, 2, **options))


def test_what_cannot_be_drawn_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="sampler='best': expected one of uniform"):
        draw_pixels(CHARTS, SURE, sampler="best", rng=rng)
    with pytest.raises(ValueError, match="needs confidences"):
        draw_pixels(CHARTS, sampler="confidence", rng=rng)
    with pytest.raises(ValueError, match="pool >= 1"):
        draw_pixels(CHARTS, SURE, sampler="confidence", rng=rng, pool=0.5)
