"""Calibration of confidences, on errors drawn from known densities."""

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.confidence import (
    coverage_curve,
    fit_temperature,
    least_confidence,
    rank_quality,
    reliability_curve,
)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("anisotropic", [False, True])
def test_confidence_temperature_is_exact_on_errors_of_known_covariance(factor, anisotropic):
    """Four errors around each point have the covariance that is predicted, times the factor."""
    rng = np.random.default_rng(0)
    errors, variances, kappas = [], [], []
    for variance, kappa in zip(
        rng.uniform(0.01, 0.2, 50), rng.normal(0, 0.3, (50, 2)), strict=True
    ):
        k = kappa * anisotropic
        root = np.linalg.cholesky(variance * np.eye(2) + np.outer(k, k))
        for unit in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            errors.append(np.sqrt(factor) * root @ (np.sqrt(2) * np.array(unit)))
            variances.append(variance)
            kappas.append(k)
    found = fit_temperature(np.array(errors), np.array(variances), np.array(kappas))
    assert found == pytest.approx(factor, rel=1e-12)


def test_confidence_temperature_knows_the_direction_of_the_spread():
    """s = 1, |k| = 2: the variance along k is 5, across it 1."""
    k = np.array([[1.2, 1.6]])
    along, across = k / 2, np.array([[-0.8, 0.6]])
    assert fit_temperature(along, np.ones(1), k) == pytest.approx(1 / 10)
    assert fit_temperature(across, np.ones(1), k) == pytest.approx(1 / 2)


def drawn(count=20_000, factor=4.0, seed=0):
    """Predicted variances, and errors of `factor` times these variances."""
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.01, 0.2, count)
    errors = rng.standard_normal((2, count)) * np.sqrt(factor * variances)
    return variances, errors


def test_confidence_temperature_finds_the_factor_of_the_variance():
    variances, errors = drawn()
    # 20 000 points of two coordinates: a standard error of 1 / sqrt(20 000).
    assert fit_temperature(errors.T, variances) == pytest.approx(4, rel=0.03)
    assert np.isnan(fit_temperature(np.zeros((0, 2)), np.zeros(0)))


def test_confidence_reliability_compares_spreads_in_equal_groups():
    variances, errors = drawn(factor=1.0)
    curve = reliability_curve(np.sqrt(variances), errors[0], bins=5)
    assert curve[:, 2].tolist() == [4000] * 5
    assert (np.diff(curve[:, 0]) > 0).all()
    np.testing.assert_allclose(curve[:, 1], curve[:, 0], rtol=0.06)
    assert reliability_curve(np.ones(3), np.ones(3), bins=10).shape == (3, 3)


def test_confidence_rank_is_the_share_of_ordered_pairs():
    confidence = np.array([0.9, 0.5, 0.5, 0.1])
    good = np.array([True, True, False, False])
    pairs = [(0.9, 0.5), (0.9, 0.1), (0.5, 0.5), (0.5, 0.1)]
    expected = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs])
    assert rank_quality(confidence, good) == pytest.approx(expected)
    assert rank_quality(-confidence, good) == pytest.approx(1 - expected)
    assert np.isnan(rank_quality(confidence, np.ones(4, bool)))


def test_confidence_coverage_takes_the_surest_first():
    confidence, values = np.array([0.1, 0.9, 0.5]), np.array([0.0, 1.0, 0.5])
    found = coverage_curve(confidence, values, [0.01, 2 / 3, 1.0])
    assert found.tolist() == [1.0, 0.75, 0.5]
    assert np.isnan(coverage_curve(np.zeros(0), np.zeros(0), [1.0])).all()


def test_confidence_least_keeps_most_at_the_precision():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.6])
    good = np.array([True, True, False, True, True])
    assert least_confidence(confidence, good, precision=0.8) == (0.6, 1.0)
    assert least_confidence(confidence, good, precision=0.9) == (0.8, 0.4)
    # The last two are equal: keeping one of them alone would be 3 of 4, which a threshold cannot.
    worse = np.array([True, True, False, True, False])
    assert least_confidence(confidence, worse, precision=0.75) == (0.8, 0.4)
    threshold, share = least_confidence(confidence, np.zeros(5, bool))
    assert np.isnan(threshold)
    assert share == 0
