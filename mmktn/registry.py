"""Child registries of mmktn: `mmktn.X` in a config names something registered here.

Each registry is a child of the mmengine root registry of the same name, so stock mmdet and mmpose
configs can mix ours in by the scope prefix alone. `locations` lets the registry import what it
needs on first use.

mmengine sets our scope for configs that inherit from `mmktn::...` and for mmengine.hub. What mmdet
and mmpose build by default inside their own classes has no prefix; it is found in theirs then.
"""

from typing import Any

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISUALIZERS as ROOT_VISUALIZERS
from mmengine.registry import Registry

_HOSTS = ("mmdet", "mmpose")

ABSENT_HOSTS: dict[str, str] = {}
"""Hosts whose parts `register_all_modules` left out, and the command that installs each."""


class HostedRegistry(Registry):
    """Registry that asks mmdet's and mmpose's of the same kind for names it does not know."""

    def get(self, key: str) -> Any:
        """Return the class of a name, or None.

        Args:
            key: Name, with or without a scope.

        Raises:
            ImportError: Nothing has the name, and a host is missing that may bring it.
        """
        found = super().get(key)
        siblings = {} if self.parent is None or "." in key else self.parent.children
        for host in _HOSTS:
            if found is None and host in siblings:
                found = siblings[host].get(key)
        name = key.removeprefix("mmktn.")
        if found is None and "." not in name:
            for host, install in ABSENT_HOSTS.items():
                raise ImportError(
                    f"nothing is registered as {name}; perhaps it needs {host}, which is not "
                    f"installed: {install}"
                )
        return found


DATA_SAMPLERS = HostedRegistry(
    "data sampler", parent=ROOT_DATA_SAMPLERS, scope="mmktn", locations=["mmktn.engine"]
)
DATASETS = HostedRegistry(
    "dataset", parent=ROOT_DATASETS, scope="mmktn", locations=["mmktn.datasets"]
)
HOOKS = HostedRegistry("hook", parent=ROOT_HOOKS, scope="mmktn", locations=["mmktn.engine"])
METRICS = HostedRegistry(
    "metric", parent=ROOT_METRICS, scope="mmktn", locations=["mmktn.evaluation.metrics"]
)
MODELS = HostedRegistry(
    "model",
    parent=ROOT_MODELS,
    scope="mmktn",
    locations=[
        "mmktn.models",
        "mmktn.models.backbones",
        "mmktn.models.rcnn",
        "mmktn.models.fcn",
    ],
)
OPTIM_WRAPPER_CONSTRUCTORS = HostedRegistry(
    "optimizer wrapper constructor",
    parent=ROOT_OPTIM_WRAPPER_CONSTRUCTORS,
    scope="mmktn",
    locations=["mmktn.engine"],
)
OPTIM_WRAPPERS = HostedRegistry(
    "optimizer wrapper", parent=ROOT_OPTIM_WRAPPERS, scope="mmktn", locations=["mmktn.engine"]
)
TASK_UTILS = HostedRegistry(
    "task util", parent=ROOT_TASK_UTILS, scope="mmktn", locations=["mmktn.models"]
)
TRANSFORMS = HostedRegistry(
    "transform", parent=ROOT_TRANSFORMS, scope="mmktn", locations=["mmktn.datasets.transforms"]
)
VISUALIZERS = HostedRegistry(
    "visualizer",
    parent=ROOT_VISUALIZERS,
    scope="mmktn",
    locations=["mmktn.visualization.chart_visualizer"],
)
