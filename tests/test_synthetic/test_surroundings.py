import numpy as np
import pytest

from mmktn.synthetic.camera import Camera, rotation_about
from mmktn.synthetic.surroundings import (
    ground_texture,
    harmonics,
    load_surroundings,
    panorama_directions,
    photo_crop,
    place_picture,
    view_of_panorama,
)
from mmktn.synthetic.texture import Light


def level(pitch=0.0, height=61, width=81):
    return Camera(60.0, height, width, np.array([0.0, 1.6, 0.0]), pitch=pitch)


def test_stock_is_whole():
    stock = load_surroundings()
    assert len(stock.panoramas) == len(stock.ambient) == len(stock.suns) == 18
    for name, (direction, strength) in stock.suns.items():
        assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-3), name
        assert (strength >= 0).all()
    assert len(stock.photos) == 3
    assert all(texture.mean() == pytest.approx(0.5, abs=0.02) for texture in stock.textures)


@pytest.mark.parametrize("yaw", [0.0, 1.0])
def test_view_shows_the_direction_it_looks_into(yaw):
    """A panorama that holds its own directions is seen as the camera's rays, turned."""
    panorama = ((panorama_directions((256, 512)) + 1) / 2).astype(np.float32)
    camera = level(pitch=-0.3)
    seen = view_of_panorama(panorama, camera, yaw=yaw) * 2 - 1
    for row, column in ((30, 40), (10, 20), (55, 70)):
        ray = rotation_about("y", yaw) @ camera.ray(column + 0.5, row + 0.5)
        np.testing.assert_allclose(seen[row, column], ray, atol=0.03)


def test_widened_view_keeps_the_horizon():
    panorama = np.zeros((256, 512, 3), np.float32)
    panorama[:128] = 1
    camera = level(pitch=-0.2)
    for widen in (1.0, 2.5):
        sky = view_of_panorama(panorama, camera, yaw=0.0, widen=widen)[:, 40, 0] > 0.5
        assert abs(sky.sum() - (30.5 + 60 * np.tan(-0.2))) <= 1.5


def test_ground_texture_lies_below_the_horizon_and_fades():
    texture = np.tile((np.arange(64) % 2).astype(np.float32), (64, 1))
    _, weight = ground_texture(texture, level(), metres=2.0, turn=0.0)
    assert weight[:30].max() == 0
    assert weight[-1].min() > weight[32].max()


def test_harmonics_are_orthonormal():
    directions = panorama_directions((64, 128))
    solid = np.cos(np.arcsin(directions[..., 1])) * (np.pi / 64) ** 2
    basis = harmonics(directions.reshape(-1, 3))
    gram = basis.T @ (basis * solid.reshape(-1, 1))
    np.testing.assert_allclose(gram, np.eye(9), atol=2e-3)


def test_light_of_a_place_turns_with_it():
    """The sky is brighter than the ground, and a turned place gives turned light."""
    none = np.zeros(3, np.float32)
    normals = np.array([[0, 1.0, 0], [0, -1.0, 0], [0, 0, 1.0]])
    still = Light(np.array([0, 1.0, 0]), none, none, none, "park", 0.0)
    turned = Light(np.array([0, 1.0, 0]), none, none, none, "park", 0.7)
    up, down, _ = still.shade(normals)
    assert (up > down).all()
    np.testing.assert_allclose(
        turned.shade(normals @ rotation_about("y", 0.7)), still.shade(normals), atol=1e-6
    )


def test_pictures_repeat_with_their_seed_and_crops_have_their_size():
    one, two = (
        place_picture("forest", level(), yaw=0.3, rng=np.random.default_rng(4)) for _ in "ab"
    )
    np.testing.assert_array_equal(one, two)
    photo = load_surroundings().photos[0]
    crop = photo_crop(photo, (40, 30), np.random.default_rng(0))
    assert crop.shape == (40, 30, 3)
