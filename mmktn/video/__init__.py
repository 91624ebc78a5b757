"""Films: reading and writing them, people with lasting ids, smoothing, and measuring it.

No torch and no host package here; `python -m mmktn video` is `mmktn.apis.video_command`.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.video.film import Selection, open_film
    from mmktn.video.people import FilmPerson
    from mmktn.video.smoothing import FilmMoment, SmoothingOptions, smooth_frame
    from mmktn.video.tracking import Tracker, TrackingOptions
    from mmktn.video.writing import write_film

__all__ = [
    "FilmMoment",
    "FilmPerson",
    "Selection",
    "SmoothingOptions",
    "Tracker",
    "TrackingOptions",
    "open_film",
    "smooth_frame",
    "write_film",
]

_HOMES = {
    "film": (
        "Selection",
        "open_film",
    ),
    "people": ("FilmPerson",),
    "smoothing": (
        "FilmMoment",
        "SmoothingOptions",
        "smooth_frame",
    ),
    "tracking": (
        "Tracker",
        "TrackingOptions",
    ),
    "writing": ("write_film",),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
