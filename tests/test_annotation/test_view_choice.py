import numpy as np
import pytest

from mmktn.annotation.view_choice import _frontality, choose_views, part_faces
from mmktn.surface.parts import COARSE_TO_CHARTS


@pytest.mark.parametrize("part", [1, 2, 4, 6, 14])
def test_together_the_views_show_nearly_all_of_a_part(body, part):
    faces = body.atlas.mesh_faces[part_faces(body, part)]
    vertices = np.unique(faces)
    views = choose_views(body.mesh, faces, count=6, size=128)
    areas = body.mesh.vertex_areas[vertices]
    seen = [_frontality(view, body.mesh, faces, vertices) > 0 for view in views]
    shares = np.array([areas @ mask for mask in seen]) / areas.sum()
    # Between fingers and inside ears some surface is hidden from every side.
    assert areas @ np.any(seen, axis=0) / areas.sum() > 0.97
    assert shares.max() < 0.75
    assert len({tuple(view.axes[2].round(6)) for view in views}) == 6


def test_views_are_right_handed_with_one_scale_and_hold_the_part(body):
    faces = body.atlas.mesh_faces[part_faces(body, 8)]
    points = body.mesh.vertices[np.unique(faces)]
    views = choose_views(body.mesh, faces, count=6, size=100)
    assert len({view.pixels_per_m for view in views}) == 1
    for view in views:
        assert np.allclose(view.axes @ view.axes.T, np.eye(3))
        assert np.linalg.det(view.axes) == pytest.approx(1)
        screen = view.project(points)
        assert screen[:, :2].min() > 0
        assert screen[:, :2].max() < 100


def test_parts_take_the_faces_of_their_charts(body):
    for part, charts in COARSE_TO_CHARTS.items():
        if part:
            found = np.unique(body.atlas.face_charts[part_faces(body, part)])
            assert found.tolist() == sorted(charts)
