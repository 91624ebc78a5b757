"""The shipped model on a rendered clip: frames counted and looked at, with sound."""

from fractions import Fraction

import numpy as np
import pytest

from mmktn.__main__ import main as mmktn
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.video.writing import write_film
from mmktn.visualization.colormaps import chart_colours
from tests.test_video.films import read, sound_seconds


@pytest.mark.slow
def test_a_rendered_clip_becomes_a_film_for_animation(tmp_path, capsys):
    options = ClipOptions(seed=3, frames=6, rate=12.0, size_hw=(240, 320), action="dance")
    frames = list(make_clip(options))
    clip, out = tmp_path / "clip.mp4", tmp_path / "dance.mp4"
    write_film(clip, (frame.picture for frame in frames), Fraction(12), tone_hz=440.0)
    assert mmktn(["video", str(clip), "--preset", "magicanimate", "--out", str(out)]) == 0
    assert "6 frames, " in capsys.readouterr().out
    times, pictures = read(out)
    np.testing.assert_allclose(times, np.arange(6) / 12, atol=1e-9)
    assert abs(sound_seconds(out) - 0.5) < 0.06
    colours = chart_colours("viridis").astype(int)
    painted, right, beside = [], [], []
    for frame, picture in zip(frames, pictures, strict=True):
        charts = frame.labels.maps.chart
        ground = np.abs(picture.astype(int) - colours[0]).max(axis=2) < 24
        painted.append((~ground)[charts > 0].mean())
        beside.append((~ground)[frame.labels.outline == 0].mean())
        gaps = np.abs(picture[charts > 0].astype(int)[:, None] - colours[None]).sum(axis=2)
        right.append((gaps.argmin(axis=1) == charts[charts > 0]).mean())
    # 0.87, 0.009 and 0.71 with the model that ships; room for the next one.
    assert min(painted) > 0.75
    assert max(beside) < 0.05
    assert np.mean(right) > 0.55
