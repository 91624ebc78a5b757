"""Whole, truncated and wrong image files."""

import cv2
import numpy as np
import pytest

from mmktn.datasets.image_checks import ImageProblemError, read_image

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def encoded(suffix):
    return cv2.imencode(suffix, IMAGE)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_lossless_images_come_back_in_bgr(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    path.write_bytes(encoded(suffix))
    assert np.array_equal(read_image(str(path), expected_hw=(48, 64)), IMAGE)


@pytest.mark.parametrize("tail", [b"", b"\0\0", b"trailing junk"])
def test_whole_jpeg_is_read_whatever_follows_it(tmp_path, tail):
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(".jpg") + tail)
    assert read_image(str(path)).shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_truncated_images_are_noticed(tmp_path, suffix, share):
    data = encoded(suffix)
    path = tmp_path / f"image{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageProblemError, match="truncated or no image"):
        read_image(str(path))


@pytest.mark.parametrize(("data", "message"), [(b"", "empty"), (b"<html></html>", "no image")])
def test_other_files_are_noticed(tmp_path, data, message):
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageProblemError, match=message):
        read_image(str(path))


def test_size_other_than_annotated_names_both(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(encoded(".png"))
    with pytest.raises(ImageProblemError, match=r"is 64 x 48 \(w x h\).* say 48 x 64"):
        read_image(str(path), expected_hw=(64, 48))
