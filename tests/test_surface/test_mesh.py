import numpy as np
import pytest

from mmktn.surface import SurfaceMesh
from tests.test_surface.conftest import icosphere, is_closed_manifold

TETRAHEDRON = (
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
)


def test_tetrahedron_by_hand():
    mesh = SurfaceMesh(*TETRAHEDRON)
    np.testing.assert_allclose(mesh.face_areas, [0.5, 0.5, 0.5, np.sqrt(3) / 2])
    assert mesh.volume == pytest.approx(1 / 6)
    assert mesh.edges.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    np.testing.assert_allclose(np.sort(mesh.edge_lengths), [1, 1, 1] + [np.sqrt(2)] * 3)
    assert is_closed_manifold(mesh)
    assert mesh.vertex_areas.sum() == pytest.approx(mesh.face_areas.sum())


def test_sphere_area_volume_and_normals_converge():
    mesh = icosphere(3)
    # inscribed polyhedron: both from below
    assert 0.98 < mesh.face_areas.sum() / (4 * np.pi) < 1
    assert 0.98 < mesh.volume / (4 / 3 * np.pi) < 1
    assert (mesh.vertex_normals * mesh.vertices).sum(axis=1).min() > 0.999


def test_open_or_inside_out_meshes_are_not_closed_manifolds():
    vertices, faces = TETRAHEDRON
    assert not is_closed_manifold(SurfaceMesh(vertices, faces[:3]))
    assert not is_closed_manifold(SurfaceMesh(vertices, [faces[0][::-1], *faces[1:]]))


def test_hash_changes_with_every_vertex_and_face():
    vertices, faces = np.array(TETRAHEDRON[0], float), np.array(TETRAHEDRON[1])
    base = SurfaceMesh(vertices, faces).hash
    assert base == SurfaceMesh(vertices.copy(), faces.copy()).hash
    assert base != SurfaceMesh(vertices + np.array([0, 0, 1e-12]), faces).hash
    assert base != SurfaceMesh(vertices, faces[::-1]).hash


@pytest.mark.parametrize(
    ("vertices", "faces", "text"),
    [
        ([[0, 0]], [[0, 1, 2]], r"vertices must have shape \(V, 3\)"),
        (TETRAHEDRON[0], [[0, 1]], r"faces must have shape \(F, 3\)"),
        (TETRAHEDRON[0], np.zeros((0, 3)), "empty"),
        (TETRAHEDRON[0], [[1, 2, 4]], "1-based"),
        (TETRAHEDRON[0], [[1, 2, 2]], "face 0 names a vertex twice"),
        ([[0, 0, np.inf]] * 3, [[0, 1, 2]], "not finite"),
    ],
)
def test_bad_meshes_are_named(vertices, faces, text):
    with pytest.raises(ValueError, match=text):
        SurfaceMesh(vertices, faces)
