import numpy as np
import pytest

from mmktn.annotation.annotator_error import vertex_parts
from mmktn.annotation.body_parts import chart_scheme, scheme_for, scheme_from_json
from mmktn.surface.parts import CHART_TO_COARSE
from mmktn.utils.user_error import UserError
from tests.ring_doll import PARTS, ring_doll


def test_people_have_the_14_parts_of_the_format(body):
    scheme = scheme_for(body)
    assert len(scheme.parts) == 14
    np.testing.assert_array_equal(scheme.part_of_chart, CHART_TO_COARSE)
    assert scheme[2].name == "right hand"
    assert scheme[2].mirror == 3
    np.testing.assert_array_equal(scheme.vertex_parts(body), vertex_parts(body))


def test_people_may_have_24_parts(body):
    scheme = scheme_for(body, "charts")
    assert [part.charts for part in scheme.parts] == [(k,) for k in range(1, 25)]
    assert scheme[scheme[3].mirror].mirror == 3
    assert scheme.is_human


def test_another_body_has_one_part_a_chart_or_the_users():
    ring = ring_doll()
    assert [part.charts for part in chart_scheme(ring).parts] == [(1,), (2,), (3,), (4,)]
    assert scheme_for(ring).subject == "ring"
    own = scheme_from_json(PARTS, ring, "p.json")
    assert own[1].mirror == 2
    assert own.keypoints == ("left_end", "right_end")
    assert set(own.vertex_parts(ring)) == {1, 2, 3, 4}
    with pytest.raises(UserError, match="24 human charts"):
        scheme_for(ring, "coarse")


def part(**changes):
    return {"name": "a", "charts": [1], **changes}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([], "no list"),
        ({"parts": []}, "no list"),
        ({"parts": [part(name="")]}, "part 1 has no name"),
        ({"parts": [part(), part(charts=[2])]}, "part 2 has no name of its own"),
        ({"parts": [part(charts=[9])]}, "'a': charts"),
        ({"parts": [part(charts=[1, 1])]}, "'a': charts"),
        ({"parts": [part(), part(name="b")]}, "'b': charts"),
        ({"parts": [part(charts=["1"])]}, "'a': charts"),
        ({"parts": [part(mirror="z")]}, "mirror 'z' is no part"),
        ({"parts": [part(mirror="b"), part(name="b", charts=[2])]}, "'a' mirrors 'b'"),
        ({"parts": [part()], "keypoints": ["x", "x"]}, "one twice"),
        ({"parts": [part()], "keypoints": [3]}, "no list of names"),
        ({"parts": [part()], "subject": ""}, "subject"),
    ],
)
def test_bad_schemes_are_named(content, match):
    with pytest.raises(UserError, match=match):
        scheme_from_json(content, ring_doll(), "p.json")
