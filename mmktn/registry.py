"""Child registries of mmktn: `mmktn.X` in a config names something registered here.

Each registry is a child of the mmengine root registry of the same name, so stock mmdet and mmpose
configs can mix ours in by the scope prefix alone. `locations` lets the registry import what it
needs on first use.
"""

from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISUALIZERS as ROOT_VISUALIZERS
from mmengine.registry import Registry

DATASETS = Registry("dataset", parent=ROOT_DATASETS, scope="mmktn", locations=["mmktn.datasets"])
HOOKS = Registry("hook", parent=ROOT_HOOKS, scope="mmktn", locations=["mmktn.engine"])
METRICS = Registry(
    "metric", parent=ROOT_METRICS, scope="mmktn", locations=["mmktn.evaluation.metrics"]
)
MODELS = Registry(
    "model",
    parent=ROOT_MODELS,
    scope="mmktn",
    locations=["mmktn.models", "mmktn.models.rcnn", "mmktn.models.fcn"],
)
OPTIM_WRAPPERS = Registry(
    "optimizer wrapper", parent=ROOT_OPTIM_WRAPPERS, scope="mmktn", locations=["mmktn.engine"]
)
TASK_UTILS = Registry(
    "task util", parent=ROOT_TASK_UTILS, scope="mmktn", locations=["mmktn.models"]
)
TRANSFORMS = Registry(
    "transform", parent=ROOT_TRANSFORMS, scope="mmktn", locations=["mmktn.datasets.transforms"]
)
VISUALIZERS = Registry(
    "visualizer",
    parent=ROOT_VISUALIZERS,
    scope="mmktn",
    locations=["mmktn.visualization.chart_visualizer"],
)
