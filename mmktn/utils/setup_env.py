"""Registration: import every module of mmktn that registers something."""

import importlib

_REGISTERING = (
    "mmktn.models",
    "mmktn.models.backbones",
    "mmktn.models.topdown",
    "mmktn.models.rcnn",
    "mmktn.engine",
    "mmktn.datasets",
    "mmktn.datasets.keypoint_datasets",
    "mmktn.datasets.transforms.box_jitter",
    "mmktn.datasets.transforms.semantic_targets",
    "mmktn.evaluation.metrics",
    "mmktn.visualization.chart_visualizer",
)


def register_all_modules(init_default_scope: bool = True) -> None:
    """Fill the registries of mmktn.

    Args:
        init_default_scope: Make ``"mmktn"`` the scope in which unprefixed names are looked up.
            Configs of mmktn keep `mmdet` or `mmpose` as their default scope and prefix our names,
            so the runner passes False.
    """
    for name in _REGISTERING:
        importlib.import_module(name)
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope

        set_default_scope("mmktn")
