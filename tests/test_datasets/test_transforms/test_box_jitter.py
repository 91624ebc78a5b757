import numpy as np

from mmktn.datasets.transforms.box_jitter import ClippedBoxJitter


def draw(count=20000, **options):
    np.random.seed(0)  # noqa: NPY002
    results = {"bbox_scale": np.ones((count, 2), np.float32)}
    return ClippedBoxJitter(**options).transform(results)


def test_scale_is_a_clipped_normal_of_both_sides_alike():
    scale = draw()["bbox_scale"]
    assert scale.min() == np.float32(0.65)
    assert scale.max() == np.float32(1.35)
    np.testing.assert_array_equal(scale[:, 0], scale[:, 1])
    # A standard normal lies beyond one deviation in 15.87 % of the draws a side; error 0.26 %.
    assert abs((scale[:, 0] == np.float32(0.65)).mean() - 0.1587) < 0.01
    assert abs(scale.mean() - 1) < 0.01


def test_rotation_happens_with_its_probability_and_is_clipped_at_two_deviations():
    angle = draw()["bbox_rotation"]
    assert abs((angle != 0).mean() - 0.6) < 0.015
    assert abs(angle).max() == 90
    # sqrt of the variance of N(0, 45) clipped at two deviations is 0.98 * 45.
    assert abs(angle[angle != 0].std() - 0.98 * 45) < 1


def test_no_jitter_is_the_identity():
    results = draw(5, scale_deviation=0.0, rotation_prob=0.0)
    np.testing.assert_array_equal(results["bbox_scale"], 1)
    np.testing.assert_array_equal(results["bbox_rotation"], 0)
