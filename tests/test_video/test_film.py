"""Reading films: what is in them, which frames, what is damaged, what is refused."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from mmktn.utils.user_error import UserError
from mmktn.video.film import Place, Selection, open_film, selected
from mmktn.video.writing import write_film
from tests.loopback import serve
from tests.test_video.films import damaged_film, film, picture, turned_film


def numbers(opened, **wanted):
    return [frame.index for frame in selected(opened, Selection(**wanted))]


def test_frames_come_with_their_times_and_pixels(tmp_path):
    opened = open_film(film(tmp_path / "a.mp4"))
    assert (opened.info.size_hw, opened.info.rate, opened.info.count) == ((48, 64), 25, 20)
    assert not opened.info.sound
    frames = list(opened.frames())
    times = [float(frame.pts * opened.info.time_base) for frame in frames]
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-9)
    for k in (0, 7, 19):
        assert np.abs(frames[k].image.astype(int) - picture(k)).mean() < 4


def test_selections(tmp_path):
    opened = open_film(film(tmp_path / "a.mp4"))
    assert numbers(opened, first=3, last=12, every=4) == [3, 7, 11]
    assert numbers(opened, start_s=0.2, end_s=0.4) == [5, 6, 7, 8, 9]
    assert numbers(opened, every=9) == [0, 9, 18]
    assert numbers(opened, first=30) == []
    assert Selection(first=3, last=12, every=4).total(opened.info) == 3
    assert Selection(start_s=0.2, end_s=0.4).total(opened.info) == 5
    frame = next(selected(opened, Selection(first=6)))
    assert frame.origin == 0


def test_reading_goes_on_from_a_place_as_if_it_had_not_stopped(tmp_path):
    opened = open_film(film(tmp_path / "a.mp4"))
    whole = list(selected(opened, Selection(first=2, every=3)))
    again = list(
        selected(
            opened,
            Selection(first=2, every=3),
            place=Place(whole[2].index, whole[2].pts, whole[2].origin),
        )
    )
    assert [f.index for f in again] == [f.index for f in whole[2:]] == [8, 11, 14, 17]
    for one, two in zip(whole[2:], again, strict=True):
        assert one.pts == two.pts
        np.testing.assert_array_equal(one.image, two.image)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_films_are_upright(tmp_path, rotation):
    opened = open_film(turned_film(tmp_path / "a.mp4", rotation))
    assert opened.info.rotation == rotation
    assert opened.info.size_hw == ((64, 48) if rotation % 180 else (48, 64))
    image = next(opened.frames()).image
    expected = np.rot90(picture(0), rotation // 90)
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_damaged_frames_keep_their_places(tmp_path):
    opened = open_film(damaged_film(tmp_path / "a.mp4"))
    frames = list(opened.frames())
    assert [f.index for f in frames] == list(range(20))
    assert [f.index for f in frames if f.image is None] == [5, 13]
    assert all("decoded" in f.error or "damaged" in f.error for f in frames if f.image is None)
    place = Place(frames[10].index, frames[10].pts, 0)
    again = list(selected(opened, Selection(), place=place))
    assert [f.index for f in again if f.image is None] == [13]
    assert [f.index for f in again] == list(range(10, 20))


def test_a_folder_in_the_order_of_numbers(tmp_path):
    for k in (10, 9, 2):
        cv2.imwrite(str(tmp_path / f"f{k}.png"), picture(k)[..., ::-1])
    (tmp_path / "f3.png").write_bytes(b"\x89PNG cut")
    cv2.imwrite(str(tmp_path / "f11.png"), picture(0, (40, 64)))
    opened = open_film(tmp_path, rate=Fraction(10))
    frames = list(opened.frames())
    np.testing.assert_array_equal(frames[0].image, picture(2))
    np.testing.assert_array_equal(frames[3].image, picture(10))
    assert "f3.png" in frames[1].error
    assert "64 x 40" in frames[4].error
    assert opened.info.rate == 10
    assert [f.pts for f in opened.frames(index=3)] == [3, 4]


def test_a_camera_gives_frames_until_it_stops(monkeypatch):
    left = [picture(k)[..., ::-1] for k in (0, *range(4))]
    released = []

    class Camera:
        def __init__(self, number):
            self.number = number

        def isOpened(self):
            return self.number == 0

        def read(self):
            return (True, left.pop(0)) if left else (False, None)

        def get(self, _):
            return 30.0

        def release(self):
            released.append(self.number)

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with pytest.raises(UserError, match="larger than --max-pixels 100"):
        open_film("0", max_pixels=100)
    assert released == [0]
    opened = open_film("0")
    assert opened.info.live
    assert opened.info.size_hw == (48, 64)
    frames = list(opened.frames())
    np.testing.assert_array_equal(frames[0].image, picture(1))
    assert [f.index for f in frames] == [0, 1, 2]
    assert frames[0].pts < frames[1].pts < frames[2].pts
    with pytest.raises(UserError, match="camera 7 cannot be opened"):
        open_film("7")


def test_an_address(tmp_path):
    with serve() as server:
        server.files["/a.mp4"] = film(tmp_path / "a.mp4", 6).read_bytes()
        opened = open_film(f"{server.address}/a.mp4")
        assert [f.index for f in opened.frames()] == list(range(6))
        with pytest.raises(UserError, match="cannot be opened as a film"):
            open_film(f"{server.address}/none.mp4")


def test_what_is_no_film_is_named(tmp_path):
    text = tmp_path / "a.mp4"
    text.write_text("no film")
    with pytest.raises(UserError, match=r"a\.mp4: cannot be opened as a film"):
        open_film(text)
    with pytest.raises(UserError, match="no such file, folder or camera"):
        open_film(tmp_path / "gone.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        open_film(tmp_path / "empty")
    with pytest.raises(UserError, match="larger than --max-pixels 100"):
        open_film(film(tmp_path / "b.mp4", 2), max_pixels=100)


def test_a_film_that_was_cut_says_where(tmp_path):
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(26))
    write_film(tmp_path / "c.mp4", noise, Fraction(25))
    whole = (tmp_path / "c.mp4").read_bytes()
    begin = whole.index(b"mdat")  # its index comes first
    (tmp_path / "c.mp4").write_bytes(whole[: begin + (len(whole) - begin) // 3])
    cut = open_film(tmp_path / "c.mp4")
    assert 0 < sum(f.image is not None for f in cut.frames()) < 20
    assert "s, of 1.04 s that it announces" in cut.cut
    assert list(open_film(film(tmp_path / "d.mp4")).frames())


def test_a_playlist_does_not_lead_to_addresses(tmp_path):
    with serve() as server:
        server.files["/a.mp4"] = b"x"
        playlist = tmp_path / "a.m3u8"
        playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{server.address}/a.mp4\n#EXT-X-ENDLIST\n")
        with pytest.raises(UserError):
            list(open_film(playlist).frames())
        assert server.asked == []
