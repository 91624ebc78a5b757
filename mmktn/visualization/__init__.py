"""Pictures of dense pose: presets, IUV files, textures, panels. numpy and OpenCV only.

`ChartVisualizer` lives in `mmktn.visualization.chart_visualizer`, which alone imports mmdet. The
names are imported when they are used (mmktn.utils.lazy_names).
"""

from typing import TYPE_CHECKING

from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
from mmktn.formats.iuv_files import (
    read_instance_png,
    read_iuv_png,
    write_instance_png,
    write_iuv_png,
)
from mmktn.formats.picture_writing import write_image
from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.visualization.colormaps import PRESETS, Preset, get_preset, render_preset
    from mmktn.visualization.drawing import draw_boxes, draw_uv_contours
    from mmktn.visualization.panels import make_overview, panel_row, prediction_panels
    from mmktn.visualization.texture import Texture, apply_texture, unwrap_texture
    from mmktn.visualization.texture_layouts import TextureLayout, join_atlas, split_atlas

__all__ = [
    "PRESETS",
    "ChartCanvas",
    "Preset",
    "Texture",
    "TextureLayout",
    "apply_texture",
    "draw_boxes",
    "draw_uv_contours",
    "get_preset",
    "join_atlas",
    "make_overview",
    "paint_people",
    "panel_row",
    "prediction_panels",
    "read_instance_png",
    "read_iuv_png",
    "render_preset",
    "split_atlas",
    "unwrap_texture",
    "write_image",
    "write_instance_png",
    "write_iuv_png",
]

_HOMES = {
    "colormaps": ("PRESETS", "Preset", "get_preset", "render_preset"),
    "drawing": ("draw_boxes", "draw_uv_contours"),
    "panels": ("make_overview", "panel_row", "prediction_panels"),
    "texture": ("Texture", "apply_texture", "unwrap_texture"),
    "texture_layouts": ("TextureLayout", "join_atlas", "split_atlas"),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
