import numpy as np
import pytest

from mmktn.visualization.colormaps import chart_colours, colormap_table
from mmktn.visualization.panels import (
    chart_legend,
    fit,
    make_overview,
    panel_row,
    prediction_panels,
    value_legend,
    with_legend,
)
from tests.test_visualization.people import random_canvas


def _plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_row_keeps_every_panel_and_pads_with_white():
    row = panel_row([_plain(10, 4, 1), _plain(6, 5, 2)], gap=3)
    assert row.shape == (10, 12, 3)
    assert (row[:, :4] == 1).all()
    assert (row[:6, 7:] == 2).all()
    assert (row[6:, 7:] == 255).all()
    assert (row[:, 4:7] == 255).all()


def test_titles_stand_above_the_panels():
    row = panel_row([_plain(10, 90, 1), _plain(10, 90, 2)], titles=["charts", ""])
    assert row.shape[0] > 10
    assert (row[-10:, :90] == 1).all()
    assert (row[:-10, :90] < 128).any()
    assert (row[:-10, 94:] == 255).all()


def test_prediction_panels_are_boxes_charts_u_v():
    canvas = random_canvas(40, 50)
    photo = _plain(40, 50, 60)
    boxes, charts, u, v = prediction_panels(
        photo, canvas, boxes_xyxy=np.array([[5, 25, 30, 35]]), preset="viton"
    )
    assert (boxes[30, 10] == 60).all()
    assert (boxes[25, 5] != 60).any()
    assert (charts[canvas.mask] == chart_colours("parula")[canvas.labels[canvas.mask]]).all()
    assert (u[canvas.mask] == colormap_table("parula")[canvas.iuv[1][canvas.mask]]).all()
    assert (v[canvas.mask] == colormap_table("parula")[canvas.iuv[2][canvas.mask]]).all()


@pytest.mark.parametrize("height", [50, 120, 240, 400, 700])
def test_legend_shows_all_24_colours_at_any_height(height):
    legend = chart_legend(height)
    assert legend.shape[0] == height
    shown = {tuple(c) for c in legend.reshape(-1, 3)}
    assert all(tuple(c) in shown for c in chart_colours("sides")[1:])


def test_value_legend_runs_from_zero_below_to_one_above():
    bar = value_legend(100, colormap="viridis")
    assert (bar[2, 5] == colormap_table("viridis")[255]).all()
    assert (bar[97, 5] == colormap_table("viridis")[0]).all()


def test_legends_follow_the_panels():
    panels = with_legend([_plain(80, 60, 1)] * 4, preset_colormap="sides")
    assert len(panels) == 6
    assert all(panel.shape[0] == 80 for panel in panels)


def test_fit_keeps_the_aspect():
    cell = fit(_plain(10, 20, 7), (30, 30))
    assert (cell[7:22] == 7).all()  # 15 rows, centred
    assert (cell[:7] == 255).all()
    assert (cell[22:] == 255).all()


def test_overview_places_pictures_in_a_grid():
    grid = make_overview(
        [[_plain(8, 8, 1), _plain(8, 8, 2)], [_plain(8, 8, 3)]], cell_hw=(8, 8), gap=2
    )
    assert grid.shape == (18, 18, 3)
    assert (grid[:8, :8] == 1).all()
    assert (grid[:8, 10:] == 2).all()
    assert (grid[10:, :8] == 3).all()
    assert (grid[10:, 10:] == 255).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: panel_row([]), "at least one panel"),
        (lambda: panel_row([_plain(2, 2, 0)], titles=["a", "b"]), "2 titles for 1 panels"),
        (lambda: make_overview([]), "at least one picture"),
        (lambda: make_overview([[]]), "at least one picture"),
        (lambda: make_overview([[_plain(2, 2, 0)]], row_titles=[]), "0 row titles for 1 rows"),
    ],
)
def test_bad_grids_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
