import cv2
import numpy as np
import pytest
from PIL import Image

from mmktn.formats.iuv_files import (
    read_instance_png,
    read_iuv_png,
    write_instance_png,
    write_iuv_png,
)
from mmktn.formats.limits import LAST_CHART
from mmktn.formats.picture_writing import write_image
from mmktn.surface.parts import NUM_CHARTS
from tests.test_visualization.people import plain_iuv, random_iuv


def test_convention_detectron1_file_order_is_blue_i_green_u_red_v(tmp_path):
    path = write_iuv_png(tmp_path / "a_IUV.png", plain_iuv(2, 3, 7, 100, 200))
    assert Image.open(path).getpixel((0, 0)) == (200, 100, 7)  # PIL reads R, G, B
    assert cv2.imread(str(path))[0, 0].tolist() == [7, 100, 200]  # OpenCV reads I, U, V


def test_iuv_order_is_the_reverse(tmp_path):
    path = write_iuv_png(tmp_path / "a.png", plain_iuv(2, 3, 7, 100, 200), order="IUV")
    assert Image.open(path).getpixel((0, 0)) == (7, 100, 200)


@pytest.mark.parametrize("order", ["VUI", "IUV"])
def test_iuv_round_trip_is_exact(tmp_path, order):
    iuv = random_iuv(17, 23)
    path = write_iuv_png(tmp_path / "folder" / "ä.png", iuv, order=order)
    assert (read_iuv_png(path, order=order) == iuv).all()


def test_reading_with_the_other_order_is_noticed(tmp_path):
    path = write_iuv_png(tmp_path / "a.png", random_iuv(17, 23))
    with pytest.raises(ValueError, match=r"a\.png: chart numbers up to \d+; read with the other"):
        read_iuv_png(path, order="IUV")


@pytest.mark.parametrize(("people", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_instance_ids_are_8_bit_up_to_255_people(tmp_path, people, dtype):
    instances = np.arange(people + 1, dtype=np.int32)[None]
    path = write_instance_png(tmp_path / "a_INDS.png", instances)
    back = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert back.dtype == dtype
    assert (back == instances).all()
    assert (read_instance_png(path) == instances).all()


def test_first_person_is_visible_in_the_instance_file(tmp_path):
    # DensePose#127: with 0-based ids the first person is background.
    path = write_instance_png(tmp_path / "a.png", np.array([[0, 1]], np.int32))
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: write_iuv_png(p / "a.jpg", plain_iuv(2, 2, 1)), "a.jpg: IUV pictures must be"),
        (
            lambda p: write_iuv_png(p / "a.png", np.zeros((2, 2, 3), np.uint8)),
            r"expected \(3, H, W\)",
        ),
        (lambda p: write_iuv_png(p / "a.png", plain_iuv(2, 2, 1), order="UVI"), "order is 'UVI'"),
        (lambda p: write_instance_png(p / "a.png", np.array([[-1]])), "-1..0 do not fit"),
        (lambda p: write_instance_png(p / "a.jpg", np.array([[1]])), "must be .png"),
        (lambda p: write_image(p / "a.xyz", plain_iuv(2, 2, 1).transpose(1, 2, 0)), "'.xyz'"),
    ],
)
def test_bad_writes_say_what_is_wrong(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)


def test_missing_and_grey_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody\.png"):
        read_iuv_png(tmp_path / "nobody.png")
    write_instance_png(tmp_path / "grey.png", np.zeros((2, 2), np.int32))
    with pytest.raises(ValueError, match=r"grey\.png has pixels of mode L, not RGB"):
        read_iuv_png(tmp_path / "grey.png")


def test_palette_shrinks_a_png_and_keeps_flat_colours(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    noise[:20] = (10, 200, 30)
    full = write_image(tmp_path / "full.png", noise)
    small = write_image(tmp_path / "new" / "small.png", noise, colours=16)
    assert small.stat().st_size < full.stat().st_size / 2
    read = np.asarray(Image.open(small).convert("RGB"))
    assert np.abs(read[:20].astype(int) - (10, 200, 30)).max() <= 8
    assert len(np.unique(read.reshape(-1, 3), axis=0)) <= 16
    with pytest.raises(ValueError, match="colours=1"):
        write_image(tmp_path / "x.png", noise, colours=1)


def test_the_last_chart_is_that_of_the_surface():
    assert LAST_CHART == NUM_CHARTS
