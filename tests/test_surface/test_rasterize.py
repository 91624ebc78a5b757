import numpy as np
import pytest

from mmktn.surface.rasterize import rasterize
from mmktn.synthetic.camera import Camera


def slow_raster(points, faces, height, width, cull_back):
    """One ray per pixel centre, one face at a time."""
    ids = np.full((height, width), -1)
    depth = np.full((height, width), np.inf)
    weights = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            for face, corners in enumerate(points[faces]):
                system = np.vstack([corners[:, :2].T, np.ones(3)])
                if abs(np.linalg.det(system)) < 1e-12:
                    continue
                if cull_back and np.linalg.det(system) > 0:
                    continue
                flat = np.linalg.solve(system, [x + 0.5, y + 0.5, 1.0])
                if (flat < 0).any():
                    continue
                z = 1 / (flat / corners[:, 2]).sum()
                if z < depth[y, x]:
                    depth[y, x], ids[y, x] = z, face
                    weights[y, x] = flat / corners[:, 2] * z
    return ids, weights, depth


@pytest.mark.parametrize("cull_back", [True, False])
def test_equals_a_loop_over_pixels_and_faces(cull_back):
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.uniform(-3, 15, (30, 2)), rng.uniform(1, 4, (30, 1))], axis=1)
    faces = np.stack([rng.permutation(30)[:3] for _ in range(25)])
    raster = rasterize(points, faces, height=11, width=13, cull_back=cull_back)
    ids, weights, depth = slow_raster(points, faces, 11, 13, cull_back)
    np.testing.assert_array_equal(raster.face_ids, ids)
    np.testing.assert_allclose(raster.barycentric, weights, atol=1e-9)
    np.testing.assert_allclose(raster.depth, depth, rtol=1e-9)
    assert 20 < raster.hit.sum() < raster.hit.size


def test_many_passes_give_the_same_as_one(monkeypatch):
    rng = np.random.default_rng(4)
    points = np.concatenate([rng.uniform(0, 30, (60, 2)), rng.uniform(1, 4, (60, 1))], axis=1)
    faces = np.stack([rng.permutation(60)[:3] for _ in range(80)])
    whole = rasterize(points, faces, height=30, width=30, cull_back=False)
    monkeypatch.setattr("mmktn.surface.rasterize._CANDIDATES_PER_PASS", 100)
    pieces = rasterize(points, faces, height=30, width=30, cull_back=False)
    np.testing.assert_array_equal(whole.face_ids, pieces.face_ids)
    np.testing.assert_array_equal(whole.depth, pieces.depth)


def test_world_position_is_recovered_exactly_under_perspective():
    """The interpolated world position projects onto the pixel centre."""
    camera = Camera(40.0, 24, 32, np.array([0.2, 1.0, 2.0]), yaw=0.1, pitch=-0.3, roll=0.05)
    world = np.array([[-1.0, 0, 0.5], [1.2, 0.1, 0.8], [1.0, 1.5, -2.0], [-1.1, 1.4, -3.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    raster = rasterize(camera.project(world), faces, height=24, width=32)
    mask = raster.hit
    back = camera.project(raster.interpolate(world[faces], mask))
    y, x = np.nonzero(mask)
    assert len(x) > 100
    np.testing.assert_allclose(back[:, 0], x + 0.5, atol=1e-9)
    np.testing.assert_allclose(back[:, 1], y + 0.5, atol=1e-9)
    np.testing.assert_allclose(back[:, 2], raster.depth[mask], rtol=1e-12)


def test_nearest_surface_wins_whatever_the_order():
    near = np.array([[0, 0, 1.0], [0, 10, 1.0], [10, 0, 1.0]])
    far = near + np.array([0, 0, 3.0])
    points = np.concatenate([far, near])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    raster = rasterize(points, faces, height=10, width=10)
    assert set(raster.face_ids[raster.hit]) == {1}
    raster = rasterize(points, faces[::-1], height=10, width=10)
    assert set(raster.face_ids[raster.hit]) == {0}
    np.testing.assert_allclose(raster.depth[raster.hit], 1.0, rtol=1e-12)


def test_no_holes_and_lowest_id_on_shared_edges():
    """Two triangles whose common edge runs through pixel centres leave no gap."""
    points = np.array([[0, 0, 2.0], [0, 8, 2.0], [8, 8, 2.0], [8, 0, 2.0]])
    raster = rasterize(points, np.array([[0, 1, 2], [0, 2, 3]]), height=8, width=8)
    assert raster.hit.all()
    assert np.all(np.diag(raster.face_ids) == 0)
    np.testing.assert_allclose(raster.barycentric.sum(axis=2), 1)


def test_faces_seen_from_behind_or_behind_the_camera_are_left_out():
    points = np.array([[0, 0, 2.0], [0, 8, 2.0], [8, 8, 2.0]])
    assert rasterize(points, np.array([[0, 1, 2]]), height=8, width=8).hit.any()
    assert not rasterize(points, np.array([[0, 2, 1]]), height=8, width=8).hit.any()
    points[0, 2] = -1.0
    assert not rasterize(points, np.array([[0, 1, 2]]), height=8, width=8).hit.any()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"points \(V, 3\).*\(4, 2\)"):
        rasterize(np.zeros((4, 2)), np.zeros((1, 3), int), height=4, width=4)
