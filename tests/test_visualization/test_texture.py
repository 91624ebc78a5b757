import numpy as np
import pytest

from mmktn.visualization.texture import apply_texture, texel_of, unwrap_texture
from tests.test_visualization.people import random_iuv


@pytest.mark.parametrize(
    ("chart", "u", "v", "row", "column"),
    [
        (1, 0.0, 1.0, 0, 0),  # first tile, V up: v = 1 is its top row
        (1, 1.0, 1.0, 0, 9),  # U right
        (1, 0.0, 0.0, 9, 0),
        (6, 0.0, 1.0, 50, 0),  # last tile of the first column
        (7, 0.0, 1.0, 0, 10),  # column by column
        (24, 1.0, 0.0, 59, 39),  # bottom right corner
        (2, 0.5, 0.5, 14, 4),  # int(0.5 * 9) = 4
    ],
)
def test_convention_atlas_layout(chart, u, v, row, column):
    rows, columns = texel_of(np.array([chart]), np.array([[u], [v]]), tile=10)
    assert (rows[0], columns[0]) == (row, column)


def test_every_texel_of_the_atlas_comes_back():
    # A picture with one pixel a texel, at the texel's own (u, v).
    tile = 8
    rng = np.random.default_rng(0)
    atlas = rng.integers(0, 256, (6 * tile, 4 * tile, 3)).astype(np.uint8)
    row, column = np.mgrid[: 6 * tile, : 4 * tile]
    labels = (column // tile) * 6 + row // tile + 1
    # Half a texel inwards, so that truncation cannot fall on either side; the last row and column
    # hold only u = 1 and v = 0.
    u = np.minimum((column % tile + 0.5) / (tile - 1), 1.0)
    v = np.maximum(1.0 - (row % tile + 0.5) / (tile - 1), 0.0)
    uv = np.stack([u, v])
    picture = apply_texture(atlas, labels, uv)
    assert (picture == atlas).all()
    texture = unwrap_texture(picture, labels, uv, tile=tile)
    assert (texture.atlas == atlas).all()
    assert texture.seen.all()
    assert texture.tile == tile


def test_apply_after_unwrap_is_a_projection():
    # Once averaged over texels, unwrapping and applying again changes nothing.
    iuv = random_iuv(40, 50)
    labels, uv = iuv[0], iuv[1:] / 255.0
    photo = np.random.default_rng(5).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    once = apply_texture(unwrap_texture(photo, labels, uv, tile=12), labels, uv, image=photo)
    twice = apply_texture(unwrap_texture(once, labels, uv, tile=12), labels, uv, image=once)
    assert (once == twice).all()
    assert (once[labels == 0] == photo[labels == 0]).all()


def test_pixels_of_one_texel_are_averaged():
    labels = np.array([[1, 1]])
    uv = np.full((2, 1, 2), 0.5)
    image = np.array([[[10, 0, 0], [21, 0, 0]]], np.uint8)
    texture = unwrap_texture(image, labels, uv, tile=4)
    assert texture.seen.sum() == 1
    assert texture.atlas[texture.seen].tolist() == [[16, 0, 0]]  # 15.5 rounds to even


def test_filling_stays_within_its_distance_and_chart():
    labels = np.array([[1]])
    image = np.full((1, 1, 3), 90, np.uint8)
    texture = unwrap_texture(image, labels, np.zeros((2, 1, 1)), tile=5, fill_distance=2.0)
    # (u, v) = (0, 0) is the bottom-left texel of the first tile; chart 2 lies right below it.
    grey = np.argwhere(texture.atlas[..., 0] == 90).tolist()
    assert grey == [[2, 0], [3, 0], [3, 1], [4, 0], [4, 1], [4, 2]]
    assert texture.seen.sum() == 1


def test_alpha_blends_with_the_background():
    atlas = np.full((6, 4, 3), 100, np.uint8)
    labels = np.array([[1, 0]])
    dressed = apply_texture(
        atlas, labels, np.zeros((2, 1, 2)), image=np.full((1, 2, 3), 50, np.uint8), alpha=0.5
    )
    assert dressed[0, :, 0].tolist() == [75, 50]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: texel_of(np.array([25]), np.zeros((2, 1)), tile=4), "charts 25..25 in a texture"),
        (
            lambda: unwrap_texture(
                np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3), int), np.zeros((2, 2, 3))
            ),
            "differ in size",
        ),
        (
            lambda: apply_texture(
                np.zeros((7, 4, 3), np.uint8), np.zeros((1, 1), int), np.zeros((2, 1, 1))
            ),
            r"atlas is \(7, 4, 3\); expected \(6 S, 4 S, 3\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
