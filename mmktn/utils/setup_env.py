"""Registration: import every module of mmktn that registers something.

mmpose is optional (`python -m mmktn doctor` says so): without it the parts that stand on it are
left out, and who builds one of them is told what to install. A system that is a folder of its own
is left out where the folder is. Any other import error surfaces.
"""

import importlib
from importlib.util import find_spec

from mmktn.compat.host_versions import HOSTS
from mmktn.compat.import_hooks import real_spec

_REGISTERING = (
    "mmktn.models",
    "mmktn.models.backbones",
    "mmktn.models.rcnn",
    "mmktn.models.fcn",
    "mmktn.engine",
    "mmktn.datasets",
    "mmktn.datasets.transforms.box_jitter",
    "mmktn.evaluation.metrics",
    "mmktn.visualization.chart_visualizer",
)
_REGISTERING_WITH_MMPOSE = (
    "mmktn.models.backbones.staged_hrnet",
    "mmktn.models.topdown",
    "mmktn.datasets.transforms.topdown",
)
# Folders that can be taken out, and the module that registers each; all stand on mmpose.
_SYSTEMS = {"mmktn.stip": "mmktn.stip.registration"}


def register_all_modules(init_default_scope: bool = True) -> None:
    """Fill the registries of mmktn.

    Args:
        init_default_scope: Make ``"mmktn"`` the scope in which unprefixed names are looked up.
            Configs of mmktn keep `mmdet` or `mmpose` as their default scope and prefix our names,
            so the runner passes False.

    Raises:
        ImportError: A module does not import for another reason than a missing mmpose.
    """
    for name in _REGISTERING:
        importlib.import_module(name)
    if real_spec("mmpose") is None:
        from mmktn.registry import ABSENT_HOSTS

        ABSENT_HOSTS |= {host.module: host.install for host in HOSTS if host.module == "mmpose"}
    else:
        for name in _REGISTERING_WITH_MMPOSE:
            importlib.import_module(name)
        for folder, name in _SYSTEMS.items():
            if find_spec(folder) is not None:
                importlib.import_module(name)
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope

        set_default_scope("mmktn")
