"""The reader of pictures: whole, cut short, wrong, huge and odd files."""

import io
import os
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mmktn.formats.pictures import PictureError, check_picture_array, read_picture

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
GRADIENT = np.add.outer(np.arange(48) * 2, np.arange(64)).astype(np.uint8)


def encoded(suffix, image=IMAGE):
    return cv2.imencode(suffix, image)[1].tobytes()


def pil_encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def put(tmp_path, data, name="image.jpg"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tif", ".ppm"])
def test_lossless_images_come_back_in_bgr(tmp_path, suffix):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    path = put(tmp_path, cv2.imencode(suffix, IMAGE, options)[1].tobytes(), f"image{suffix}")
    assert np.array_equal(read_picture(path, expected_hw=(48, 64)), IMAGE)


@pytest.mark.parametrize("tail", [b"", b"\0\0", b"trailing junk"])
def test_whole_jpeg_is_read_whatever_follows_it(tmp_path, tail):
    assert read_picture(put(tmp_path, encoded(".jpg") + tail)).shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_truncated_images_are_noticed(tmp_path, suffix, share):
    data = encoded(suffix)
    path = put(tmp_path, data[: int(len(data) * share)], f"image{suffix}")
    with pytest.raises(PictureError, match="truncated or no image"):
        read_picture(path)


def test_a_truncated_png_with_an_end_mark_is_noticed(tmp_path):
    data = encoded(".png")
    with pytest.raises(PictureError, match="truncated"):
        read_picture(put(tmp_path, data[: len(data) // 2] + b"IEND\xaeB`\x82"))


def test_a_picture_that_is_grey_at_its_end_is_no_truncated_one(tmp_path):
    grey = IMAGE.copy()
    grey[20:] = 128
    read = read_picture(put(tmp_path, encoded(".jpg", grey)))
    assert (read[-1, -1] == 128).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<html></html>", "no image"),
        (b"<svg xmlns='x'/>", "drawing"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
    ],
)
def test_other_files_are_noticed(tmp_path, data, message):
    with pytest.raises(PictureError, match=message):
        read_picture(put(tmp_path, data))


def test_size_other_than_annotated_names_both(tmp_path):
    path = put(tmp_path, encoded(".png"), "image.png")
    with pytest.raises(PictureError, match=r"is 64 x 48 \(w x h\).* say 48 x 64"):
        read_picture(path, expected_hw=(64, 48))


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    return start + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\x09IDAT" + bytes(9)


def gif_header(width, height):
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x08\x01\x00\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame


def bmp_header(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def tiff_header(width, height):
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    entries += [(273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 1)]
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4)


def jpeg_header(width, height):
    data = bytearray(encoded(".jpg"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_header(width, height):
    body = b"VP8X" + struct.pack("<II", 10, 0)
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize(
    ("make", "side"),
    [
        (png_header, 60000),
        (gif_header, 60000),
        (bmp_header, 60000),
        (tiff_header, 60000),
        (jpeg_header, 60000),
        (jpeg_header, 12000),
    ],
)
def test_headers_that_promise_too_much_are_refused_before_decoding(tmp_path, make, side):
    path = put(tmp_path, make(side, side))
    with pytest.raises(PictureError, match=f"is {side} x {side} = {side**2} pixels.*max-pixels"):
        read_picture(path)


def test_bomb_of_webp_is_refused_one_way_or_the_other(tmp_path):
    with pytest.raises(PictureError):
        read_picture(put(tmp_path, webp_header(2**24, 2**24)))


def test_the_limit_can_be_lowered_and_raised(tmp_path, monkeypatch):
    path = put(tmp_path, encoded(".png"))
    with pytest.raises(PictureError, match="is 64 x 48 = 3072 pixels, more than the 3071 allowed"):
        read_picture(path, max_pixels=3071)
    monkeypatch.setattr("mmktn.formats.pictures.MAX_PIXELS", 3000)
    with pytest.raises(PictureError, match="more than the 3000"):
        read_picture(path)
    assert read_picture(path, max_pixels=3072).shape == (48, 64, 3)


def test_pils_own_limit_is_no_second_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(put(tmp_path, encoded(".webp"))).shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(str(tmp_path / "s.jpg"))
        expected = {
            "folder": "is a folder",
            "pipe": "is a named pipe",
            "loop": "cannot be read: Too many levels of symbolic links",
            "device": "is a device",
            "s": "is a socket",
            "n" * 300: "cannot be read: File name too long",
            "nul\0": "cannot be read: embedded null",
        }
        for name, message in expected.items():
            with pytest.raises(PictureError, match=message):
                read_picture(f"{tmp_path}/{name}.jpg")
    finally:
        server.close()
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "missing.jpg")
    put(tmp_path, encoded(".png"), "real.png")
    (tmp_path / "link.jpg").symlink_to("real.png")
    assert np.array_equal(read_picture(tmp_path / "link.jpg"), IMAGE)


def test_unreadable_file_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = put(tmp_path, encoded(".png"))
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PictureError, match="cannot be read: Permission denied"):
        read_picture(path)


def test_file_far_larger_than_its_picture_is_not_read(tmp_path):
    path = put(tmp_path, encoded(".png"))
    os.truncate(path, 2**40)  # sparse: no disk is used
    with pytest.raises(PictureError, match="too many for a picture"):
        read_picture(path)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_in_every_format(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    path = put(tmp_path, pil_encoded(Image.fromarray(IMAGE), form, exif=exif, **options))
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[..., ::-1]
    assert expected.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    assert np.array_equal(read_picture(path), expected)


def test_broken_exif_data_does_not_matter(tmp_path):
    data = pil_encoded(Image.fromarray(IMAGE), "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert read_picture(put(tmp_path, data)).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("CMYK", "TIFF"),
        ("P", "TIFF"),
        ("RGB", "JPEG2000"),
        ("RGBA", "WEBP"),
    ],
)
def test_odd_pictures_are_as_pil_decodes_them(tmp_path, mode, form):
    source = Image.fromarray(np.dstack([GRADIENT, GRADIENT[::-1], GRADIENT[:, ::-1]]))
    options = {"lossless": True} if form == "WEBP" else {}
    path = put(tmp_path, pil_encoded(source.convert(mode), form, **options))
    with Image.open(path) as picture:
        expected = np.asarray(picture.convert("RGB"))[..., ::-1].astype(int)
    assert np.abs(read_picture(path).astype(int) - expected).max() <= 1


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(IMAGE // 64 * 64), Image.fromarray(IMAGE * 0)]
    data = pil_encoded(frames[0], "PNG")
    gif = pil_encoded(frames[0].quantize(64), "GIF", save_all=True, append_images=frames[1:])
    still = read_picture(put(tmp_path, data)).astype(int)
    assert np.abs(read_picture(put(tmp_path, gif)).astype(int) - still).mean() < 16


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5000, 1), (1, 5000)])
def test_thin_pictures(tmp_path, height, width):
    image = np.full((height, width, 3), 9, np.uint8)
    assert np.array_equal(read_picture(put(tmp_path, encoded(".png", image))), image)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_depth_is_that_of_the_largest_value(tmp_path, bits, suffix):
    values = np.linspace(0, 2**bits - 1, 48 * 64).round().astype(np.uint16).reshape(48, 64)
    read = read_picture(put(tmp_path, encoded(suffix, values)))
    expected = np.rint(values / (2**bits - 1) * 255)
    assert np.abs(read[..., 0] - expected).max() <= 1
    assert read.min() == 0
    assert read.max() == 255


def test_colour_of_12_bits_is_not_black(tmp_path):
    values = IMAGE.astype(np.uint16) * 16
    values[0, 0] = 4095
    read = read_picture(put(tmp_path, encoded(".png", values)))
    assert np.abs(read.astype(int) - IMAGE)[1:].max() <= 1


@pytest.mark.parametrize("highest", [1.0, 255.0, 65535.0])
def test_real_numbers_are_scaled(tmp_path, highest):
    values = np.linspace(0, highest, 48 * 64, dtype=np.float32).reshape(48, 64)
    read = read_picture(put(tmp_path, pil_encoded(Image.fromarray(values), "TIFF")))
    assert np.abs(read[..., 1] - values / highest * 255).max() <= 1


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "not finite"), (-1, "from -1"), (1e6, r"to 1e\+06")]
)
def test_real_numbers_that_are_no_grey_values(tmp_path, value, message):
    values = np.full((4, 4), 0.5, np.float32)
    values[1, 1] = value
    with pytest.raises(PictureError, match=message):
        read_picture(put(tmp_path, pil_encoded(Image.fromarray(values), "TIFF")))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1]], "is a list"),
        (np.zeros((2, 2, 3)), r"float64, not .* scale it to 0\.\.255"),
        (np.zeros((2, 2, 4), np.uint8), "4 channels, not 3: leave the alpha"),
        (np.zeros((2, 2, 1), np.uint8), "1 channels, not 3"),
        (np.zeros((0, 2, 3), np.uint8), "holds no pixel"),
        (np.zeros((5, 2, 2, 3), np.uint8), "as a list"),
        (np.zeros(5, np.uint8), r"\(5,\) uint8, not"),
        (np.array([["a"]]), "not .H, W, 3. uint8"),
    ],
)
def test_arrays_that_are_no_pictures(array, message):
    with pytest.raises(PictureError, match=message):
        check_picture_array(array)
