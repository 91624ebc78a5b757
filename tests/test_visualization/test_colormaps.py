import cv2
import numpy as np
import pytest

from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.surface.parts import CHART_NAMES
from mmktn.visualization.colormaps import (
    PRESETS,
    Preset,
    chart_colours,
    colormap_table,
    get_preset,
    render_preset,
)
from tests.test_visualization.people import random_canvas

# RGB measured on the official pictures (design notes, picture conventions).
PARULA = {0: (53, 42, 135), 1: (37, 60, 163), 24: (249, 251, 14)}
VIRIDIS = {0: (68, 1, 84), 1: (71, 16, 99), 24: (253, 231, 37)}


@pytest.mark.parametrize(("name", "colours"), [("parula", PARULA), ("viridis", VIRIDIS)])
def test_convention_chart_colours_are_the_published_bytes(name, colours):
    for chart, rgb in colours.items():
        assert tuple(int(c) for c in chart_colours(name)[chart]) == rgb


def test_chart_byte_is_truncated_index_times_255_over_24():
    expected = [int(chart * 255 / 24) for chart in range(25)]
    assert expected[:3] == [0, 10, 21]
    for chart in range(25):
        assert (chart_colours("parula")[chart] == colormap_table("parula")[expected[chart]]).all()


def test_sides_palette_is_warm_on_the_right_and_cool_on_the_left():
    for name, (red, _, blue) in zip(CHART_NAMES[1:], chart_colours("sides")[1:], strict=True):
        if name.startswith("right"):
            assert red > blue, name
        if name.startswith("left"):
            assert blue > red, name


def test_sides_palette_gives_every_chart_its_own_colour():
    assert len(np.unique(chart_colours("sides"), axis=0)) == 25


def test_viton_is_exact_colours_on_black():
    canvas = random_canvas()
    picture = render_preset(canvas, "viton")
    assert (picture[~canvas.mask] == 0).all()
    assert (picture[canvas.mask] == chart_colours("parula")[canvas.labels[canvas.mask]]).all()


def test_magicanimate_is_the_colour_map_of_the_part_map_everywhere():
    canvas = random_canvas()
    byte = (canvas.labels.astype(np.float32) * np.float32(255 / 24)).astype(np.uint8)
    expected = cv2.applyColorMap(byte, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    assert (render_preset(canvas, "magicanimate") == expected).all()
    assert tuple(int(c) for c in expected[~canvas.mask][0]) == VIRIDIS[0]


def test_vid2densepose_blends_over_purple():
    canvas = random_canvas()
    picture = render_preset(canvas, "vid2densepose")
    assert (picture[~canvas.mask] == VIRIDIS[0]).all()
    head = picture[canvas.labels == 24][0]
    # 0.3 * (68, 1, 84) + 0.7 * (253, 231, 37) = (197.5, 162.0, 51.1), truncated
    assert head.tolist() == [197, 162, 51]


def _official_visualiser(image_bgr, mask, matrix, box, cmap, scale, alpha):
    """Pixel arithmetic of the official tools for one person, written from their description."""
    x, y, w, h = box
    colours = cv2.applyColorMap((matrix.astype(np.float32) * scale).astype(np.uint8), cmap)
    region = image_bgr[y : y + h, x : x + w]
    colours[mask == 0] = region[mask == 0]
    image_bgr[y : y + h, x : x + w] = region * (1.0 - alpha) + colours * alpha
    return image_bgr


@pytest.mark.parametrize("field", ["charts", "u", "v"])
def test_detectron2_preset_equals_the_official_arithmetic(field):
    canvas = random_canvas(24, 18, seed=3)
    photo = np.random.default_rng(1).integers(0, 256, (24, 18, 3)).astype(np.uint8)
    grey = cv2.cvtColor(photo[..., ::-1].copy(), cv2.COLOR_BGR2GRAY)
    matrix = canvas.iuv[{"charts": 0, "u": 1, "v": 2}[field]]
    scale = 255.0 / 24 if field == "charts" else 1.0
    expected = _official_visualiser(
        np.repeat(grey[..., None], 3, 2),
        canvas.labels,
        matrix,
        (0, 0, 18, 24),
        cv2.COLORMAP_PARULA,
        scale,
        0.7,
    )
    assert (
        render_preset(canvas, "detectron2", image=photo, field=field) == expected[..., ::-1]
    ).all()


def test_overlay_leaves_the_photo_untouched_outside_people():
    canvas = random_canvas()
    photo = np.full((20, 30, 3), 77, np.uint8)
    picture = render_preset(canvas, "overlay", image=photo)
    assert (picture[~canvas.mask] == 77).all()
    assert (photo == 77).all()


def test_u_and_v_are_not_mixed_up():
    iuv = np.array([[[1]], [[10]], [[200]]], np.uint8)
    canvas = ChartCanvas(iuv, np.ones((1, 1), np.int32))
    look = Preset("test", "viridis", 1.0, "black")
    for field, value in (("u", 10), ("v", 200)):
        picture = render_preset(canvas, look, field=field)
        assert (picture == colormap_table("viridis")[value]).all()


def test_nearest_resize_keeps_exact_colours_and_cubic_does_not():
    canvas = random_canvas()
    colours = {tuple(c) for c in np.vstack([chart_colours("parula"), np.zeros((1, 3), np.uint8)])}
    nearest = render_preset(canvas, "viton", size_wh=(61, 43))
    cubic = render_preset(canvas, "viton", size_wh=(61, 43), interpolation="cubic")
    assert nearest.shape == cubic.shape == (43, 61, 3)
    assert {tuple(c) for c in nearest.reshape(-1, 3)} <= colours
    assert not {tuple(c) for c in cubic.reshape(-1, 3)} <= colours


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown preset 'vton'; known: .*viton"):
        get_preset("vton")
    assert set(PRESETS) >= {"viton", "magicanimate", "vid2densepose", "detectron2"}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"preset": "detectron2"}, "background 'grey' needs the image"),
        (
            {"preset": "overlay", "image": np.zeros((9, 9, 3), np.uint8)},
            r"image is \(9, 9\) but the charts are \(20, 30\)",
        ),
        ({"preset": "viton", "field": "w"}, "unknown field 'w'"),
        (
            {"preset": "viton", "size_wh": (4, 4), "interpolation": "area"},
            "interpolation is 'area'",
        ),
    ],
)
def test_bad_requests_name_the_value(kwargs, message):
    with pytest.raises(ValueError, match=message):
        render_preset(random_canvas(), **kwargs)


def test_unknown_colormap():
    with pytest.raises(ValueError, match="unknown colour map 'rainbow'"):
        colormap_table("rainbow")
