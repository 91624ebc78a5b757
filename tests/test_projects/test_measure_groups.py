"""Groups of people are told apart by what is true of them."""

import numpy as np
import pytest

from mmktn.synthetic.sample import GeneratorOptions, make_sample
from projects.shipped_model.measure_groups import (
    GROUPS,
    Seen,
    compared,
    mean_and_error,
    on_image,
    seen_people,
)
from tests.test_projects.one_person import OnePerson


def test_a_picture_gives_each_person_with_traits():
    sample = make_sample(GeneratorOptions(seed=3), "val", 0)

    class Truth(OnePerson):
        def find_people(self, images, boxes):
            (found,) = super().find_people(images, boxes)
            (whole,) = found.densepose
            whole.labels = sample.labels.maps.chart.astype(np.uint8)
            whole.uv, whole.xy = np.zeros((2, *whole.labels.shape), "f"), (0, 0)
            found.boxes_xyxy = np.asarray(boxes[0], "f")
            found.scores = np.ones(len(boxes[0]), "f")
            found.densepose = [whole] * len(boxes[0])
            return [found]

    people = list(seen_people(sample, Truth()))
    assert len(people) == len(sample.labels.people)
    assert {person.right_chart for person in people} == {1.0}
    areas = [int(mask.sum()) for mask in sample.labels.masks()]
    assert [p.foreground for p in people] == pytest.approx([a / sum(areas) for a in areas])
    for person in people:
        assert 0 < person.skin < 1
        assert 0 <= person.age <= 1
        assert all(group(person) is None or group(person) for group in GROUPS.values())


def test_groups_are_means_with_errors():
    def person(front, right):
        return Seen(0.3, 0.7, 0.9, front, 100.0, 1, right, 0.5)

    rows = compared([person(0.1, 0.2), person(0.2, 0.4), person(1.0, 0.9), person(None, 0.0)])
    by_view = {row["group"]: row for row in rows if row["by"] == "view"}
    assert set(by_view) == {"from behind", "front"}
    assert by_view["from behind"]["right_chart"] == pytest.approx(0.3)
    assert by_view["from behind"]["right_chart_error"] == pytest.approx(0.1)
    assert np.isnan(by_view["front"]["right_chart_error"])
    assert [row["persons"] for row in rows if row["by"] == "skin"] == [4]
    assert mean_and_error([1.0, 3.0]) == (2.0, 1.0)


def test_labels_that_leave_the_image_are_cut():
    labels = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)
    assert on_image(labels, (-1, 1), (2, 3)).tolist() == [[0, 0, 0], [2, 3, 0]]
    assert not on_image(labels, (5, 5), (2, 3)).any()
