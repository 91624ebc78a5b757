"""Pictures are spoiled as cameras do, repeatably, and never beyond 0..255."""

import numpy as np
import pytest

from mmktn.datasets.transforms import RandomDegrade

WAYS = ("grey", "gamma", "blur", "noise", "jpeg")
NEVER = dict.fromkeys(WAYS, 0.0)


def picture():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def spoiled(image, seed=0, **chances):
    np.random.seed(seed)  # noqa: NPY002
    return RandomDegrade(**{**NEVER, **chances})({"img": image.copy()})["img"]


@pytest.mark.parametrize("way", WAYS)
def test_each_way_changes_the_picture_and_repeats_itself(way):
    image = picture()
    changed = spoiled(image, **{way: 1.0})
    assert changed.dtype == np.uint8
    assert changed.shape == image.shape
    assert not np.array_equal(changed, image)
    assert np.array_equal(changed, spoiled(image, **{way: 1.0}))
    assert not np.array_equal(changed, spoiled(image, seed=1, **{way: 1.0})) or way == "grey"


def test_chance_nought_leaves_the_picture_alone():
    assert np.array_equal(spoiled(picture()), picture())


def test_floats_of_photometric_distortion_are_rounded_into_bytes():
    image = picture().astype(np.float32) * 1.5 - 40
    assert np.array_equal(spoiled(image), np.clip(image, 0, 255).astype(np.uint8))


def test_grey_has_three_equal_channels_and_blur_less_contrast():
    grey = spoiled(picture(), grey=1.0)
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert spoiled(picture(), blur=1.0).astype(float).std() < picture().astype(float).std()
