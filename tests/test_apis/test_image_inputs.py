from pathlib import Path

import numpy as np
import pytest

from mmktn.apis.image_inputs import list_inputs


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_folder_is_sorted_and_other_files_are_left_alone(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "c.webp"):
        _touch(tmp_path / name)
    assert [image.name for image in list_inputs(tmp_path)] == ["a.png", "b.JPG", "c.webp"]


def test_same_names_get_their_folder_in_front(tmp_path):
    paths = [_touch(tmp_path / "left" / "1.jpg"), _touch(tmp_path / "right" / "1.png")]
    assert [image.name for image in list_inputs(paths)] == ["left_1.jpg", "right_1.png"]


def test_the_same_file_twice_is_numbered(tmp_path):
    path = _touch(tmp_path / "x" / "1.jpg")
    assert [image.stem for image in list_inputs([path, path])] == ["x_1", "x_1_2"]


def test_mixed_inputs_keep_their_order(tmp_path):
    array = np.zeros((2, 2, 3), np.uint8)
    images = list_inputs([str(tmp_path / "z.jpg"), array, array])
    assert [image.name for image in images] == ["z.jpg", "array_0.png", "array_1.png"]


def test_grey_arrays_become_colour():
    (image,) = list_inputs(np.full((2, 3), 7, np.uint8))
    assert image.read().shape == (2, 3, 3)
    assert (image.read() == 7).all()


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], ValueError, "no images given"),
        (3, TypeError, "inputs is a int"),
        ([3], TypeError, "an input is a int"),
    ],
)
def test_nothing_to_do_is_an_error(inputs, error, message):
    with pytest.raises(error, match=message):
        list_inputs(inputs)


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"folder {tmp_path} holds no images"):
        list_inputs(tmp_path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 3)), "input 0 is an array of .* float64, not"),
        (np.zeros((2, 2, 4), np.uint8), "4 channels, not 3"),
        (np.zeros((0, 2, 3), np.uint8), r"\(0, 2, 3\) uint8"),
    ],
)
def test_arrays_that_are_no_pictures(array, message):
    with pytest.raises(ValueError, match=message):
        list_inputs(array)
