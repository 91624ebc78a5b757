import os

import cv2
import numpy as np
import pytest
from PIL import Image

from mmktn.annotator.photos import TILE, Photos
from mmktn.utils.user_error import UserError


def decoded(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_pictures_of_folders_in_folders_are_found_and_nothing_else(photo_folder):
    (photo_folder / "notes.txt").write_text("x")
    (photo_folder / ".hidden.png").write_bytes(b"x")
    assert Photos([photo_folder]).names == ["a.png", "b.png", "sub/c.png"]


def test_a_turned_photograph_is_served_upright(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = (255, 0, 0)
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(pixels).save(tmp_path / "t.jpg", exif=exif, quality=95)
    photos = Photos([tmp_path])
    assert photos.size("t.jpg") == (40, 60)
    tile = decoded(photos.tile("t.jpg", 0, 0, 0))
    assert tile.shape == (60, 40, 3)
    assert tile[10, 20, 2] > 200  # left became upper
    assert tile[50, 20, 2] < 50


def test_tiles_of_all_levels_cover_a_large_picture(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (1100, 1700, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 9)
    cv2.imwrite(str(tmp_path / "l.png"), image)
    photos = Photos([tmp_path])
    assert photos.num_levels("l.png") == 3
    assert decoded(photos.tile("l.png", 2, 0, 0)).shape == (275, 425, 3)
    rows = [
        np.concatenate([decoded(photos.tile("l.png", 0, c, r)) for c in range(4)], axis=1)
        for r in range(3)
    ]
    whole = np.concatenate(rows)
    assert whole.shape == image.shape
    assert np.abs(whole.astype(int) - image).mean() < 2
    assert max(decoded(photos.tile("l.png", 0, 1, 1)).shape[:2]) == TILE
    for level, column, row in ((3, 0, 0), (-1, 0, 0), (0, 4, 0), (0, 0, -1)):
        with pytest.raises(UserError):
            photos.tile("l.png", level, column, row)


def test_links_out_of_the_folder_are_not_followed(photo_folder, tmp_path):
    outside = tmp_path / "outside.png"
    cv2.imwrite(str(outside), np.zeros((9, 9, 3), np.uint8))
    os.symlink(outside, photo_folder / "link.png")
    photos = Photos([photo_folder])
    with pytest.raises(UserError, match="leads out"):
        photos.tile("link.png", 0, 0, 0)
    with pytest.raises(UserError, match="no picture of this project"):
        photos.path_of("../outside.png")


def test_what_cannot_be_read_is_named(photo_folder):
    (photo_folder / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"bad\.jpg"):
        Photos([photo_folder]).size("bad.jpg")
    with pytest.raises(UserError, match=r"a\.png.*more than the 100 allowed"):
        Photos([photo_folder], max_pixels=100).size("a.png")


def test_two_files_of_one_name_are_refused(photo_folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    cv2.imwrite(str(other / "a.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UserError, match=r"a\.png lies in"):
        Photos([photo_folder, other])


def test_a_thousand_pictures_are_listed_without_being_opened(tmp_path):
    for number in range(1000):
        (tmp_path / f"{number:04d}.jpg").write_bytes(b"not even pictures")
    assert len(Photos([tmp_path]).names) == 1000


def test_thumbnails_are_small(photo_folder):
    assert decoded(Photos([photo_folder]).thumbnail("a.png", 50)).shape == (30, 50, 3)
