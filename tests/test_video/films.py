"""Small films for tests: a square that walks, with or without sound, turned, damaged."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmktn.video.people import FilmPerson
from mmktn.video.writing import FilmFormat, Piece, PieceWriter, join_pieces, write_film

RATE = Fraction(25)


def picture(index, size_hw=(48, 64)):
    """Grey, with a light square whose left edge is 2 * index pixels from the left."""
    image = np.full((*size_hw, 3), 60, np.uint8)
    image[16:32, 2 * index : 2 * index + 12] = (230, 160, 40)
    return image


def film(path: Path, count=20, *, size_hw=(48, 64), tone_hz=None, rate=RATE) -> Path:
    write_film(path, (picture(k, size_hw) for k in range(count)), rate, tone_hz=tone_hz)
    return path


def turned_film(path: Path, rotation: int) -> Path:
    """A film whose stored pictures are turned by its rotation when they are shown."""
    kind = FilmFormat(False, (48, 64), RATE, 1 / RATE, rotation)
    plain = film(path.with_suffix(".plain.mp4"))
    join_pieces(path, [Piece(plain, 0)], kind)
    return path


def damaged_film(path: Path, broken=(5, 13)) -> Path:
    """A film with garbage in place of some frames."""
    film(path)
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for index in broken:
        begin, size = places[index]
        data[begin : begin + size] = bytes(size)
    path.write_bytes(data)
    return path


def pieces_film(path: Path, pictures, kind: FilmFormat) -> Path:
    writer = PieceWriter(path, kind)
    for index, image in enumerate(pictures):
        writer.write(image, index)
    writer.close()
    return path


def read(path, *, format="rgb24"):
    """Times in seconds and pictures of a film, as they are stored."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return (
            [float(frame.pts * frame.time_base) for frame in frames],
            [frame.to_ndarray(format=format) for frame in frames],
        )


def sound_seconds(path) -> float:
    """Length of the sound; 0 without."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return 0.0
        rate = container.streams.audio[0].codec_context.sample_rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate


def person(x=10.0, y=10.0, *, chart=2, score=0.9, size_hw=(16, 12), track=0, hits=0):
    """A person whose whole box is one chart, U rising from left to right."""
    height, width = size_hw
    iuv = np.zeros((3, height, width), np.uint8)
    iuv[0] = chart
    iuv[1] = np.linspace(0, 250, width).astype(np.uint8)
    box = np.array([x, y, x + width, y + height])
    return FilmPerson(box, score, iuv, track, hits)
