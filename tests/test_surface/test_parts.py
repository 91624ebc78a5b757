import numpy as np

from mmktn.surface import parts


def test_convention_every_chart_has_one_coarse_part():
    listed = sorted(c for charts in parts.COARSE_TO_CHARTS.values() for c in charts)
    assert listed == list(range(25))
    for coarse, charts in parts.COARSE_TO_CHARTS.items():
        assert (parts.CHART_TO_COARSE[list(charts)] == coarse).all()


def test_convention_dp_masks_order():
    assert parts.COARSE_PART_NAMES[4:6] == ("left foot", "right foot")
    assert parts.CHART_TO_COARSE[[5, 6]].tolist() == [4, 5]
    assert parts.CHART_TO_COARSE[[3, 4]].tolist() == [2, 3]


def test_chart_names_start_with_the_side_and_limb_of_their_coarse_part():
    for chart in range(1, 25):
        coarse = parts.COARSE_PART_NAMES[parts.CHART_TO_COARSE[chart]]
        name = parts.CHART_NAMES[chart]
        assert name.startswith(coarse) or (coarse == "head" and name.endswith("head"))


def test_scoring_groups_are_those_of_the_official_table():
    table = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8]
    assert parts.CHART_TO_GPS_GROUP.tolist() == table
    assert len(parts.GPS_GROUP_NAMES) == len(parts.GPS_MEAN_DISTANCES_M) == 9


def test_tables_cannot_be_changed():
    for table in (parts.CHART_TO_COARSE, parts.CHART_TO_GPS_GROUP, parts.GPS_MEAN_DISTANCES_M):
        assert isinstance(table, np.ndarray)
        assert not table.flags.writeable
