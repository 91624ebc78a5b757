import numpy as np

from mmktn.synthetic.camera import Camera, rotation_about


def test_convention_camera_looks_along_minus_z_with_y_up():
    camera = Camera(100.0, 200, 100, np.array([0, 1.0, 5.0]))
    centre, left_up = camera.project(np.array([[0, 1.0, 0], [-1.0, 2.0, 0]]))
    np.testing.assert_allclose(centre, [50, 100, 5])
    np.testing.assert_allclose(left_up, [30, 80, 5])


def test_ray_through_the_projection_meets_the_point():
    camera = Camera(90.0, 60, 80, np.array([0.3, 1.2, 4.0]), yaw=0.4, pitch=-0.2, roll=0.1)
    point = np.array([-0.7, 0.4, 0.6])
    x, y, _ = camera.project(point[None])[0]
    to_point = point - camera.position
    np.testing.assert_allclose(camera.ray(x, y), to_point / np.linalg.norm(to_point), atol=1e-12)


def test_rotations_follow_the_right_hand_rule():
    np.testing.assert_allclose(rotation_about("x", np.pi / 2) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(rotation_about("y", np.pi / 2) @ [0, 0, 1], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(rotation_about("z", np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
