import numpy as np
import pytest

from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP
from mmktn.surface.parts import CHART_TO_COARSE
from mmktn.surface.relations import keypoint_rules, part_rules, structural_relation


def test_keypoint_rules_have_54_ones_and_the_known_column_sums():
    rules = keypoint_rules()
    assert rules.shape == (17, 24)
    assert rules.sum() == 54
    assert set(np.unique(rules)) == {0.0, 1.0}
    assert rules.sum(axis=0).tolist() == [4, 4] + [1] * 4 + [2] * 16 + [5, 5]


def test_part_rules_give_every_chart_its_own_part():
    rules = part_rules()
    assert rules.shape == (14, 24)
    assert rules.sum() == 24
    np.testing.assert_array_equal(rules.argmax(axis=0) + 1, CHART_TO_COARSE[1:])


def test_rules_are_the_same_for_a_mirrored_person():
    charts = CHART_FLIP[1:] - 1
    np.testing.assert_array_equal(keypoint_rules()[KEYPOINT_FLIP][:, charts], keypoint_rules())
    np.testing.assert_array_equal(part_rules()[COARSE_FLIP[1:] - 1][:, charts], part_rules())


def test_matrices_are_three_tenths_of_the_rules_beside_background_zeros():
    keypoint, part = structural_relation("keypoint"), structural_relation("part")
    assert keypoint.shape == (17, 25)
    assert part.shape == (15, 25)
    np.testing.assert_array_equal(keypoint[:, 1:], 0.3 * keypoint_rules())
    np.testing.assert_array_equal(part[1:, 1:], 0.3 * part_rules())
    assert not keypoint[:, 0].any()
    assert not part[0].any()
    assert not part[:, 0].any()


def test_box_matrix_treats_all_charts_alike():
    box = structural_relation("box")
    assert box.shape == (6, 25)
    assert (box[:, 1:] == 0.3).all()
    assert not box[:, 0].any()


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'bone'"):
        structural_relation("bone")
