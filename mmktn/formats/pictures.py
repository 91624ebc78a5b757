"""The one reader of picture files: 8-bit colour, upright, whole, and no larger than allowed.

The size is read from the header before anything is decoded. Only regular files are opened, so that
a pipe or a device cannot hang or flood the process. OpenCV decodes; what it cannot read, PIL does.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.stored_files import fetch_bytes, is_remote
from mmktn.utils.user_error import UserError, one_line

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
"""Largest picture that is read unless the caller allows more; such a one decodes to 300 MB."""

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""PIL's names of the formats that are read (MPO counts as JPEG); others are not even tried."""

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Names by which pictures are found in folders."""

# Cut-off JPEG files decode to partly grey pictures without an error; a file that ends with its
# mark need not be decoded twice to know that it is whole.
_END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB\x60\x82"}
# Bytes of a file per pixel above which it holds something else than the picture.
_MAX_BYTES_PER_PIXEL = 16
_HIGHEST_OF_DEPTHS = (255, 1023, 4095, 16383, 65535)
_PIL_LIMIT_LOCK = threading.Lock()
_UNTURNED = 1
_EXIF_ORIENTATION = 274


class PictureError(UserError):
    """A picture file that cannot be used. The text says why and does not repeat the name."""


def read_picture(
    path: str | os.PathLike[str],
    *,
    expected_hw: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    backend_args: dict[str, Any] | None = None,
) -> NDArray[np.uint8]:
    """Read a picture.

    The EXIF orientation is applied. Transparency is dropped, of animations the first frame is
    taken. Grey values of more than 8 bits are scaled: 10, 12, 14 or 16 bits, the fewest that hold
    the largest value of the picture. Real numbers count as 0..1 if none is above 1,
    else as integers.

    Args:
        path: File, or an address that mmengine.fileio knows.
        expected_hw: Size that the annotations give; None where unknown.
        max_pixels: Largest allowed height x width; None = `MAX_PIXELS`.
        backend_args: Of mmengine.fileio; None reads from the disk.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such file.
        PictureError: No regular file, not readable, empty, cut short, no picture, larger than
            allowed, or of another size than expected.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    with _opened(path, backend_args) as file:
        image = _decoded(file, limit)
    if expected_hw is not None and image.shape[:2] != tuple(expected_hw):
        raise PictureError(
            f"is {image.shape[1]} x {image.shape[0]} (w x h), the annotations say "
            f"{expected_hw[1]} x {expected_hw[0]}"
        )
    return image


def decode_picture(data: bytes, *, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """Decode a picture that was read before, as `read_picture` does.

    Args:
        data: The whole file.
        max_pixels: Largest allowed height x width; None = `MAX_PIXELS`.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        PictureError: Empty, cut short, no picture, or larger than allowed.
    """
    return _decoded(io.BytesIO(data), MAX_PIXELS if max_pixels is None else max_pixels)


def read_pixels(
    path: str | os.PathLike[str], *, modes: Sequence[str], max_pixels: int | None = None
) -> NDArray[np.uint8]:
    """Read stored bytes that are labels, not colours: nothing is converted, scaled or turned.

    Args:
        path: File.
        modes: PIL's names of the kinds of pixels that are taken, such as "L" and "RGBA".
        max_pixels: As in `read_picture`.

    Returns:
        (H, W) or (H, W, C) uint8.

    Raises:
        FileNotFoundError: There is no such file.
        PictureError: As `read_picture`; or the pixels are of another kind.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    with _opened(path, None) as file:
        start = file.read(32)
        file.seek(0)
        with _pil_limit(limit), _named_decoding_errors(start), _opened_by_pil(file) as picture:
            width, height = picture.size
            _check_size(width, height, limit)
            if picture.mode not in modes:
                wanted = " or ".join(modes)
                raise PictureError(f"has pixels of mode {picture.mode}, not {wanted} (PIL's names)")
            return np.array(picture)


def picture_digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a picture file; it is not decoded.

    Raises:
        FileNotFoundError: There is no such file.
        PictureError: No regular file, or not readable.
    """
    digest = hashlib.sha256()
    with _opened(path, None) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def picture_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a picture file, for `decode_picture` elsewhere.

    Raises:
        FileNotFoundError: There is no such file.
        PictureError: No regular file, not readable, or larger than any picture that is decoded.
    """
    limit = _MAX_BYTES_PER_PIXEL * MAX_PIXELS + 2**20
    with _opened(path, None) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise PictureError(f"is a file of more than {limit} bytes, too many for a picture")
    return data


def check_picture_array(image: Any, name: str = "") -> NDArray[np.uint8]:
    """Check an array that a caller hands in as a picture.

    Args:
        image: (H, W, 3) uint8 BGR, or (H, W) uint8 grey, of any size.
        name: What it is called in messages.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        PictureError: Anything else; the text says what it is and how to convert it.
    """
    wanted = "not (H, W, 3) uint8 BGR"
    if not isinstance(image, np.ndarray):
        raise PictureError(f"{name} is a {type(image).__name__}, {wanted}".lstrip())
    what = f"{name} is an array of {image.shape} {image.dtype}, {wanted}"
    what = what.lstrip()
    if image.size == 0:
        raise PictureError(f"{what}: it holds no pixel")
    if image.ndim == 4:
        raise PictureError(f"{what}: hand several pictures in as a list")
    if image.ndim not in (2, 3):
        raise PictureError(what)
    if image.dtype != np.uint8:
        raise PictureError(f"{what}: scale it to 0..255 and convert it with .astype(np.uint8)")
    if image.ndim == 3 and image.shape[2] != 3:
        fix = ": leave the alpha channel out" if image.shape[2] == 4 else ""
        raise PictureError(f"{what}: {image.shape[2]} channels, not 3{fix}")
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def known_hw(record: dict[str, Any]) -> tuple[int, int] | None:
    """Return the size that a record gives for its image, None if it gives none."""
    height, width = record.get("height"), record.get("width")
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    return None


@contextmanager
def _opened(
    path: str | os.PathLike[str], backend_args: dict[str, Any] | None
) -> Iterator[IO[bytes]]:
    """Open a regular file, or what another storage gives for the address."""
    if is_remote(path, backend_args):
        yield io.BytesIO(fetch_bytes(str(path), backend_args))
        return
    try:
        _check_regular(os.stat(path).st_mode)
        # Should a pipe take the file's place in between, opening it must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_BINARY)
        with os.fdopen(descriptor, "rb") as file:
            _check_regular(os.fstat(descriptor).st_mode)
            yield file
    except (FileNotFoundError, PictureError):
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PictureError(f"cannot be read: {reason or error}") from error


_O_BINARY = getattr(os, "O_BINARY", 0)


def _check_regular(mode: int) -> None:
    """Refuse what is no regular file."""
    if stat.S_ISREG(mode):
        return
    kinds = {
        "folder": stat.S_ISDIR,
        "named pipe": stat.S_ISFIFO,
        "socket": stat.S_ISSOCK,
        "device": lambda m: stat.S_ISCHR(m) or stat.S_ISBLK(m),
    }
    kind = next((name for name, test in kinds.items() if test(mode)), "special file")
    raise PictureError(f"is a {kind}, not a regular file")


def _decoded(file: IO[bytes], limit: int) -> NDArray[np.uint8]:
    """Check size and completeness, then decode."""
    start = file.read(32)
    if not start:
        raise PictureError("is empty")
    file.seek(0)
    with _pil_limit(None), _named_decoding_errors(start), _opened_by_pil(file) as header:
        width, height = header.size
        by_pil = header.format == "GIF" or header.mode in ("CMYK", "F", "YCbCr", "LAB", "HSV")
        # Both decoders turn TIFF pictures themselves.
        turn = _UNTURNED if header.format == "TIFF" else _orientation(header)
    _check_size(width, height, limit)
    file.seek(0, io.SEEK_END)
    if file.tell() > _MAX_BYTES_PER_PIXEL * max(limit, width * height) + 2**20:
        raise PictureError(f"is a file of {file.tell()} bytes, too many for a picture of its size")
    file.seek(0)
    data = file.read()
    with _pil_limit(limit), _named_decoding_errors(start):
        _check_whole(data)
        image = None if by_pil else _decoded_by_opencv(data)
        if image is None:
            with _opened_by_pil(io.BytesIO(data)) as picture:
                image = np.asarray(_in_colour(picture))[..., ::-1]
    return np.ascontiguousarray(_turned(_to_bytes(image), turn))


def _check_size(width: int, height: int, limit: int) -> None:
    if width < 1 or height < 1:
        raise PictureError(f"is {width} x {height} pixels, which is no picture")
    if width * height > limit:
        raise PictureError(
            f"is {width} x {height} = {width * height} pixels, more than the {limit} allowed; "
            "raise the limit (--max-pixels, max_pixels=) or make the picture smaller"
        )


def _check_whole(data: bytes) -> None:
    """Raise PIL's error for data that is cut short."""
    for start, end in _END_MARKS.items():
        if data.startswith(start) and data.rstrip(b"\0").endswith(end):
            return
    with _opened_by_pil(io.BytesIO(data)) as picture:
        picture.load()


def _opened_by_pil(file: IO[bytes]) -> Image.Image:
    """Return the header of a picture; pixels follow when they are asked for."""
    # With a list of formats PIL tries those only whose modules are loaded.
    from PIL import Image, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

    return Image.open(file, formats=FORMATS)


def _decoded_by_opencv(data: bytes) -> NDArray[Any] | None:
    """Return the unturned BGR pixels in their own type, None for what OpenCV cannot decode."""
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error:
        return None


def _in_colour(picture: Image.Image) -> Any:
    """Return three channels; grey values of more than 8 bits keep their depth."""
    if picture.mode.startswith(("I", "F")):
        return np.repeat(np.asarray(picture)[..., None], 3, axis=2)
    return picture.convert("RGB")


def _to_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale pixels of any type to 0..255."""
    if image.dtype == np.uint8:
        return image
    if not np.isfinite(image).all():
        raise PictureError("holds values that are not finite numbers")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > _HIGHEST_OF_DEPTHS[-1]:
        raise PictureError(
            f"holds values from {low:g} to {high:g}; only 0 to 1 and integers of 8 to 16 bits are "
            "read, so convert it to 8 bits"
        )
    if image.dtype.kind == "f" and high <= 1:
        full = 1
    else:
        full = next(highest for highest in _HIGHEST_OF_DEPTHS if high <= highest)
    return np.rint(image * np.float32(255 / full)).astype(np.uint8)


def _orientation(header: Image.Image) -> int:
    """Return the EXIF orientation 1..8; anything else counts as upright."""
    try:
        value = header.getexif().get(_EXIF_ORIENTATION, _UNTURNED)
    except Exception:  # broken EXIF data says nothing on the pixels
        return _UNTURNED
    return value if value in range(1, 9) else _UNTURNED


def _turned(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


@contextmanager
def _pil_limit(pixels: int | None) -> Iterator[None]:
    """Let PIL refuse frames above our limit instead of its own, which no option raises."""
    from PIL import Image

    with _PIL_LIMIT_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS
        # PIL warns above the number and refuses above its double.
        Image.MAX_IMAGE_PIXELS = None if pixels is None else max(pixels // 2, 1)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _named_decoding_errors(start: bytes) -> Iterator[None]:
    """Turn what decoders raise into one line; hostile files make them raise nearly anything."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("needs more memory than there is") from error
    except UnidentifiedImageError as error:
        raise PictureError(_what_it_is(start)) from error
    except Exception as error:
        text = one_line(str(error)) or type(error).__name__
        raise PictureError(f"is truncated or no image ({text})") from error


def _what_it_is(start: bytes) -> str:
    """Reason for a file that no decoder knows."""
    if start[4:8] == b"ftyp":
        return "is a HEIC, AVIF or film file, which is not read: convert it to JPEG or PNG"
    if start[:5].lstrip().startswith((b"<svg", b"<?xml")):
        return "is no image of pixels but drawing or text: convert it to PNG"
    return "is truncated or no image (no format that is known)"
