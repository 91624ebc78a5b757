"""Clips: one person stays one person, and body points are where the labels say."""

import numpy as np
import pytest

from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.synthetic.sample import load_template

SMALL = {"frames": 4, "rate": 5.0, "size_hw": (96, 128), "points": 150, "surface": "human"}


@pytest.fixture(scope="module")
def crossing():
    return list(make_clip(ClipOptions(seed=3, action="cross", camera="pan", **SMALL)))


def test_people_walk_and_keep_their_numbers(crossing):
    assert all(frame.picture.shape == (96, 128, 3) for frame in crossing)
    assert {number for frame in crossing for number in frame.numbers} == {1, 2}
    first, last = crossing[0], crossing[-1]
    for number, sign in ((1, 1), (2, -1)):
        if number in first.points and number in last.points:
            moved = last.points[number][:, 0].mean() - first.points[number][:, 0].mean()
            assert sign * moved > 3


def test_a_body_point_is_the_same_place_of_the_skin_on_every_frame(crossing):
    """The label at a point's pixel is that of a face near the point's vertex."""
    template = load_template("human")
    for frame in crossing:
        for index, number in enumerate(frame.numbers):
            points = frame.points[number]
            seen = points[:, 2] > 0
            column, row = np.floor(points[seen, :2]).astype(int).T
            assert (frame.labels.maps.instance[row, column] == index + 1).all()
            faces = template.mesh.faces[frame.labels.rasters[index].face_ids[row, column]]
            near = template.mesh.vertices[faces].mean(axis=1)
            gap = np.linalg.norm(near - template.mesh.vertices[frame.vertices[seen]], axis=1)
            assert np.median(gap) < 0.06
            assert seen.sum() > 20


def test_a_clip_is_the_same_every_time_but_for_its_grain():
    options = ClipOptions(seed=1, action="dance", camera="still", **(SMALL | {"frames": 2}))
    one, two = list(make_clip(options)), list(make_clip(options))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.picture, b.picture)
    still = one[0].labels.maps.instance + one[1].labels.maps.instance == 0
    gap = np.abs(one[0].picture.astype(int) - one[1].picture)[still]
    assert 0 < np.median(gap) < 12  # the place stays, the noise does not


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="a clip needs"):
        ClipOptions(frames=0)
