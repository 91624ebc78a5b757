"""Writing films: pieces, joins, sound, odd sizes, lossless maps."""

from fractions import Fraction

import av
import numpy as np

from mmktn.video.film import open_film
from mmktn.video.writing import FilmFormat, Piece, PieceWriter, join_pieces
from tests.test_video.films import film, picture, pieces_film, read, sound_seconds

NTSC = Fraction(30000, 1001)


def joined(path, kind, counts, **options):
    """A film in pieces; its pictures are numbered through."""
    pieces, done = [], 0
    for k, count in enumerate(counts):
        file = path.with_name(f"{path.stem}_{k}.mp4")
        writer = PieceWriter(file, kind)
        for index in range(done, done + count):
            writer.write(picture(index, kind.size_hw), index)
        writer.close()
        pieces.append(Piece(file, done))
        done += count
    join_pieces(path, pieces, kind, **options)
    return path


def test_pieces_make_one_film(tmp_path):
    kind = FilmFormat(False, (48, 64), NTSC, 1 / NTSC)
    times, pictures = read(joined(tmp_path / "a.mp4", kind, [4, 1, 6]))
    np.testing.assert_allclose(times, np.arange(11) * 1001 / 30000, atol=1e-9)
    for k, image in enumerate(pictures):
        assert np.abs(image.astype(int) - picture(k)).mean() < 4
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == NTSC
        assert stream.frames == 11
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # a browser shows it before it has all


def test_odd_sizes_gain_a_row_and_a_column(tmp_path):
    kind = FilmFormat(False, (47, 63), Fraction(25), Fraction(1, 25))
    path = pieces_film(tmp_path / "a.mp4", [picture(k, (47, 63)) for k in range(3)], kind)
    _, pictures = read(path)
    assert pictures[0].shape == (48, 64, 3)
    assert np.abs(pictures[1][:47, :63].astype(int) - picture(1, (47, 63))).mean() < 4


def test_lossless_films_keep_every_byte_of_odd_sizes(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (47, 63, 3), np.uint8) for _ in range(3)]
    kind = FilmFormat(True, (47, 63), Fraction(25), Fraction(1, 25))
    writer = PieceWriter(tmp_path / "p.mkv", kind)
    for index, image in enumerate(pictures):
        writer.write(image, index)
    writer.close()
    join_pieces(tmp_path / "a.mkv", [Piece(tmp_path / "p.mkv", 0)], kind)
    times, found = read(tmp_path / "a.mkv")
    np.testing.assert_allclose(times, [0, 0.04, 0.08], atol=1e-9)
    np.testing.assert_array_equal(found, pictures)


def test_rotation_stays_in_the_file(tmp_path):
    kind = FilmFormat(False, (48, 64), Fraction(25), Fraction(1, 25), rotation=90)
    path = joined(tmp_path / "a.mp4", kind, [3])
    assert open_film(path).info.rotation == 90
    assert open_film(path).info.size_hw == (64, 48)


def test_sound_is_copied_and_cut(tmp_path):
    source = open_film(film(tmp_path / "in.mp4", 50, tone_hz=440))
    assert source.info.sound
    kind = FilmFormat(False, (48, 64), Fraction(25), Fraction(1, 25))
    whole = joined(tmp_path / "a.mp4", kind, [30, 20], sound=source)
    assert abs(sound_seconds(whole) - 2.0) < 0.05
    part = joined(tmp_path / "b.mp4", kind, [10], sound=source, end_pts=10)
    assert abs(sound_seconds(part) - 0.4) < 0.05
    with av.open(str(tmp_path / "in.mp4")) as one, av.open(str(whole)) as two:
        sounds = [[bytes(p) for p in c.demux(audio=0) if p.size] for c in (one, two)]
    assert sounds[0] == sounds[1]  # not coded again
    assert len(sounds[0]) > 90


def test_sound_that_mp4_does_not_play_is_coded_again(tmp_path):
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", 25)
        video.width, video.height, video.pix_fmt = 64, 48, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=22050)
        for k in range(25):
            frame = av.VideoFrame.from_ndarray(picture(k), format="rgb24")
            frame.pts = k
            container.mux(video.encode(frame))
            wave = (8000 * np.sin(np.arange(882) / 8)).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            sound.sample_rate, sound.pts = 22050, 882 * k
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    kind = FilmFormat(False, (48, 64), Fraction(25), Fraction(1, 25))
    out = joined(tmp_path / "a.mp4", kind, [25], sound=open_film(path))
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        loud = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
    assert abs(sound_seconds(out) - 1.0) < 0.08
    assert np.abs(loud).max() > 0.15
