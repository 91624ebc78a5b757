import numpy as np
import pytest

from mmktn.annotation.part_views import PartViews, part_title, render_part_views
from mmktn.surface.parts import CHART_TO_COARSE

PARTS = (1, 5, 14)


@pytest.mark.parametrize("part", PARTS)
def test_six_pictures_show_the_part_alone(views_of, part):
    views = views_of(part)
    assert views.pictures.shape == (6, 128, 128, 3)
    shown = np.unique(views.chart)
    assert shown[0] == 0
    assert set(CHART_TO_COARSE[shown[1:]]) == {part}
    assert ((views.chart > 0) == (views.vertex >= 0)).all()
    assert (np.isnan(views.position).any(axis=-1) == (views.chart == 0)).all()
    # White beside the part, except at edges, where a pixel is a mean of four samples.
    white = (views.pictures == 255).all(axis=-1)
    assert white[views.chart > 0].mean() < 0.01
    assert white[views.chart == 0].mean() > 0.97


@pytest.mark.parametrize("part", PARTS)
def test_a_click_gives_the_point_that_projects_back_to_it(body, views_of, part):
    views = views_of(part)
    rng = np.random.default_rng(part)
    for view in range(6):
        rows, columns = np.nonzero(views.chart[view])
        for k in rng.choice(len(rows), 20):
            x, y = columns[k] + rng.random(), rows[k] + rng.random()
            point = views.pick(view, x, y)
            face, weights = body.atlas.locate([point.chart], [point.u], [point.v])
            place = body.atlas.points(face, weights, body.mesh.vertices)[0]
            # (I, U, V) is float32; a chart's steepest metre is far below 1e4 units of U or V.
            assert np.linalg.norm(place - point.position) < 1e-4
            places, seen = views.find(place)
            centre = np.floor([x, y]) + 0.5
            assert np.abs(places[view] - centre).max() < 0.05
            assert seen[view]


@pytest.mark.parametrize("part", PARTS)
def test_a_point_is_the_same_in_the_other_views(views_of, part):
    views = views_of(part)
    rng = np.random.default_rng(part)
    rows, columns = np.nonzero(views.chart[0])
    met = 0
    for k in rng.choice(len(rows), 30):
        point = views.pick(0, columns[k], rows[k])
        places, seen = views.find(point.position)
        for other in np.flatnonzero(seen)[1:]:
            again = views.pick(int(other), *places[other])
            if again is None:  # on the outline: the centre of the pixel is beside the part
                continue
            met += 1
            # `find` calls a point seen within two pixels; a pixel's own half diagonal comes on top.
            gap = np.linalg.norm(again.position - point.position)
            assert gap * views.pixels_per_m < 8
    assert met > 20


def test_a_point_behind_is_not_seen(views_of, body):
    """The torso's back and front: the first picture shows one, not the other."""
    views = views_of(1)
    point = views.pick(0, 64, 64)
    charts = body.atlas.charts
    other = body.mesh.vertices[body.atlas.mesh_vertex[charts == 3 - point.chart]]
    opposite = other[np.linalg.norm((other - point.position)[:, :2], axis=1).argmin()]
    _, seen = views.find(opposite)
    assert not seen[0]
    assert seen.any()


def test_marks_are_discs_where_seen_and_rings_elsewhere(views_of):
    views = views_of(1)
    position = views.pick(0, 64, 64).position
    places, seen = views.find(position)
    for picture, (x, y), visible in zip(views.mark(position), places, seen, strict=True):
        middle = picture[int(y), int(x)].tolist()
        assert (middle == [214, 30, 60]) == visible
        assert (picture == [214, 30, 60]).all(axis=-1).any()


def test_beside_the_part_there_is_nothing_and_outside_is_an_error(views_of):
    views = views_of(14)
    assert views.pick(0, 0, 0) is None
    with pytest.raises(IndexError, match="outside the picture"):
        views.pick(0, 128, 3)
    with pytest.raises(IndexError, match="view 6"):
        views.pick(6, 3, 3)


def test_files_answer_clicks_without_the_surface(tmp_path, views_of):
    views = views_of(5)
    read = PartViews.load(views.save(tmp_path / "new" / f"{part_title(5)}.npz"))
    y, x = (int(np.median(axis)) for axis in np.nonzero(views.chart[2]))
    first, second = views.pick(2, x, y), read.pick(2, x, y)
    assert (first.chart, first.u, first.v, first.vertex) == (
        second.chart, second.u, second.v, second.vertex,
    )  # fmt: skip
    assert read.part == 5
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match=r"not an \.npz file of part views"):
        PartViews.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        PartViews.load(tmp_path / "none.npz")


def test_unknown_part(body):
    with pytest.raises(ValueError, match="got 15"):
        render_part_views(body, 15)


def test_names():
    assert part_title(14) == "14_head"
