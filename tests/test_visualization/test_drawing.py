import numpy as np
import pytest

from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.visualization.colormaps import colormap_table
from mmktn.visualization.drawing import draw_boxes, draw_uv_contours, write_text_on


def _ramp_canvas() -> ChartCanvas:
    """Two charts side by side, U rising downwards, V to the right."""
    iuv = np.zeros((3, 100, 40), np.uint8)
    iuv[0, :, :20], iuv[0, :, 20:] = 1, 2
    iuv[1] = np.linspace(0, 255, 100)[:, None]
    iuv[2] = np.linspace(0, 255, 40)[None]
    return ChartCanvas(iuv, np.ones((100, 40), np.int32))


def test_boxes_are_outlined_at_their_pixels_and_the_input_stays():
    image = np.zeros((60, 80, 3), np.uint8)
    drawn = draw_boxes(image, np.array([[10, 20, 30, 50]]), colour=(1, 2, 3))
    ys, xs = np.nonzero(drawn.any(axis=2))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (10, 30, 20, 50)
    assert (drawn[20, 10] == (1, 2, 3)).all()
    assert not drawn[35, 20].any()
    assert not image.any()


def test_texts_are_written_and_counted():
    image = np.zeros((60, 80, 3), np.uint8)
    boxes = np.array([[10, 20, 30, 50]])
    assert draw_boxes(image, boxes, texts=["1.00"]).any(axis=2).sum() > 100
    with pytest.raises(ValueError, match="2 texts for 1 boxes"):
        draw_boxes(image, boxes, texts=["a", "b"])


def test_no_boxes_is_the_bare_image():
    image = np.full((10, 10, 3), 9, np.uint8)
    assert (draw_boxes(image, np.zeros((0, 4)), texts=[]) == image).all()


def test_text_beyond_the_border_is_moved_inside():
    image = np.zeros((40, 120, 3), np.uint8)
    write_text_on(image, "edge", at_xy=(500, -20), background=(255, 255, 255))
    assert image[0, -1].all()


def test_contours_lie_where_the_level_changes():
    canvas = _ramp_canvas()
    drawn = draw_uv_contours(np.zeros((100, 40, 3), np.uint8), canvas, field="u", levels=4)
    rows = np.flatnonzero(drawn.any(axis=2).any(axis=1))
    # floor(u * 4 / 255) steps at u = 64, 128, 192 of 255: after rows 24, 49, 74 of the ramp.
    assert rows.tolist() == [24, 49, 74]
    assert (drawn[24] == colormap_table("jet")[1 * 255 // 4]).all()


def test_contours_do_not_follow_chart_borders():
    canvas = _ramp_canvas()
    canvas.iuv[1, :, 20:] = 255 - canvas.iuv[1, :, 20:]
    drawn = draw_uv_contours(np.zeros((100, 40, 3), np.uint8), canvas, field="u", levels=2)
    assert np.flatnonzero(drawn.any(axis=2).any(axis=1)).tolist() == [49]


def test_contours_need_an_image_of_the_canvas_size():
    with pytest.raises(ValueError, match=r"image is \(9, 9\) but the charts are \(100, 40\)"):
        draw_uv_contours(np.zeros((9, 9, 3), np.uint8), _ramp_canvas())
