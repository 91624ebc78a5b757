"""Networks: the framework-neutral parts.

The adapters to mmdet (`rcnn`) and mmpose (`topdown`, `mmktn.stip`) are imported by
`mmktn.utils.register_all_modules`, so that nothing here needs either host.
"""

from mmktn.models import (
    embedding,
    heads,
    ktm,
    layers,
    losses,
    maps,
    necks,
    postprocess,
    predictors,
    targets,
)

__all__ = [
    "embedding",
    "heads",
    "ktm",
    "layers",
    "losses",
    "maps",
    "necks",
    "postprocess",
    "predictors",
    "targets",
]
