"""The annotation pipeline of DensePose: which points to ask for, where to click, how far off.

numpy, scipy and the body surface only; no torch. DensePose paper, sections 2 and 3.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.annotation.annotator_error import measure_error
    from mmktn.annotation.body_parts import read_scheme, scheme_for
    from mmktn.annotation.disagreement import measure_disagreement
    from mmktn.annotation.part_views import PartViews, render_part_views
    from mmktn.annotation.points import sample_part_map, sample_parts
    from mmktn.annotation.simulated_annotator import AnnotatorNoise, SimulatedAnnotator
    from mmktn.annotation.view_choice import choose_views

__all__ = [
    "AnnotatorNoise",
    "PartViews",
    "SimulatedAnnotator",
    "choose_views",
    "measure_disagreement",
    "measure_error",
    "read_scheme",
    "render_part_views",
    "sample_part_map",
    "sample_parts",
    "scheme_for",
]

_HOMES = {
    "annotator_error": ("measure_error",),
    "body_parts": (
        "read_scheme",
        "scheme_for",
    ),
    "disagreement": ("measure_disagreement",),
    "part_views": (
        "PartViews",
        "render_part_views",
    ),
    "points": (
        "sample_part_map",
        "sample_parts",
    ),
    "simulated_annotator": (
        "AnnotatorNoise",
        "SimulatedAnnotator",
    ),
    "view_choice": ("choose_views",),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
