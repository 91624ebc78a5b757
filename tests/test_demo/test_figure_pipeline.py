import numpy as np

from demo.figure_pipeline import draw_pipeline, main
from mmktn.visualization.colormaps import chart_colours


def test_same_seed_same_picture():
    first = draw_pipeline(5, people=1, size_hw=(96, 80))
    assert (first == draw_pipeline(5, people=1, size_hw=(96, 80))).all()
    assert not np.array_equal(first, draw_pipeline(6, people=1, size_hw=(96, 80)))


def test_panels_show_a_person_and_the_legend():
    picture = draw_pipeline(5, people=1, size_hw=(96, 80))
    assert picture.shape[0] > 96
    image, charts = picture[-96:, :80], picture[-96:, 84:164]
    changed = (image.astype(int) - charts).any(axis=2)
    assert changed.any()
    assert {tuple(c) for c in chart_colours("sides")[1:]} <= {
        tuple(c) for c in picture.reshape(-1, 3)
    }


def test_written_where_asked(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "p.png"), "--size", "96", "80", "--people", "1"]) == 0
    assert (tmp_path / "p.png").is_file()
    assert "p.png" in capsys.readouterr().out


def test_palette_keeps_the_readme_picture_small(tmp_path):
    assert main(["--out", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").stat().st_size < 200_000
