"""A user's config that inherits from ours by `mmktn::` builds, whatever the scope of its names.

mmengine looks the names of such a base up in our scope, where a name of mmdet or mmpose is found
by its prefix alone.
"""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.fileio import load
from mmengine.hub import get_config, get_model
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TASK_UTILS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
    DefaultScope,
    Registry,
    init_default_scope,
)
from mmpose.registry import KEYPOINT_CODECS

from mmktn.apis.test_pipeline import find_test_pipeline
from tests.test_config_steps import shown_by_another

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    path.relative_to(ROOT / "configs").as_posix()
    for path in (ROOT / "configs").rglob("*.py")
    # Wider, deeper and with larger pictures they name the same.
    if "_base_" not in path.parts and not shown_by_another(path) and "384x288" not in path.stem
)
# Names that no registry holds under a scope: mmcv looks them up in its own tables.
OPERATORS = {"nms", "RoIAlign", "value"}  # `value`: a way to clip gradients


read_once = functools.cache(load)
"""mmengine reads all metafiles anew for every config."""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> str:
    """Folder like the installed package, with this tree's configs."""
    package = tmp_path_factory.mktemp("package")
    (package / ".mim").mkdir()
    for name in ("configs", "model-index.yml"):
        (package / ".mim" / name).symlink_to(ROOT / name)
    return str(package)


@pytest.fixture(autouse=True)
def _installed(package, monkeypatch):
    """Show mmengine this tree's configs as those of the installed package."""
    for module in ("mmengine.config.config", "mmengine.hub.hub"):
        monkeypatch.setattr(f"{module}.get_installed_path", lambda _: package)
    monkeypatch.setattr("mmengine.config.utils.load", read_once)


def inherit(name: str, folder: Path) -> Config:
    """What a user's config file gets from ours."""
    path = folder / "mine.py"
    path.write_text(f'_base_ = "mmktn::{name}"\n')
    return Config.fromfile(path)


def found(registry: Registry, part: ConfigDict) -> None:
    """The registry knows the class that a part of a config names, in the scope of that part."""
    with registry.switch_scope_and_registry(part.get("_scope_")) as scoped:
        assert scoped.get(part["type"]) is not None, part["type"]


def many(part: Any) -> list[Any]:
    """A part that may be one or a list of them."""
    return list(part) if isinstance(part, list | tuple) else [part]


def check_datasets(dataset: ConfigDict) -> None:
    """Data sets inside wrappers, and their pipelines, have known names."""
    found(DATASETS, dataset)
    for inner in dataset.get("datasets") or [dataset[k] for k in ("dataset",) if k in dataset]:
        check_datasets(inner)
    check_pipeline(dataset.get("pipeline") or [])


def check_pipeline(steps: Any) -> None:
    for step in steps:
        if isinstance(step, list | tuple):
            check_pipeline(step)
        else:
            found(TRANSFORMS, step)
            check_pipeline(step.get("transforms") or [])


def check_model(node: Any) -> None:
    """Parts with a scope are modules, task utilities or codecs of that scope."""
    for name in names_in(node):
        if "." in name:
            kinds = [MODELS, TASK_UTILS, KEYPOINT_CODECS]
            assert any(kind.get(name) is not None for kind in kinds), name


def check_runner(cfg: Config) -> None:
    """Metrics, hooks, optimizer, schedulers and loops have known names."""
    optim = ConfigDict({"type": "OptimWrapper"} | (cfg.get("optim_wrapper") or {}))
    metrics = [*many(cfg.get("val_evaluator") or []), *many(cfg.get("test_evaluator") or [])]
    hooks = [*cfg.get("default_hooks", {}).values(), *cfg.get("custom_hooks", [])]
    loops = [cfg.get(loop) or {} for loop in ("train_cfg", "val_cfg", "test_cfg")]
    named = {
        METRICS: metrics,
        HOOKS: hooks,
        OPTIM_WRAPPERS: [optim],
        OPTIMIZERS: [optim.optimizer] if "optimizer" in optim else [],
        PARAM_SCHEDULERS: many(cfg.get("param_scheduler") or []),
        LOOPS: [loop for loop in loops if "type" in loop],
    }
    for registry, parts in named.items():
        for part in parts:
            found(registry, part)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_name_is_found(name, tmp_path):
    cfg = inherit(name, tmp_path)
    init_default_scope(cfg.default_scope)
    found(MODELS, cfg.model)
    check_model(cfg.model)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if cfg.get(loader):
            found(DATA_SAMPLERS, cfg[loader].sampler)
            check_datasets(cfg[loader].dataset)
    check_pipeline(cfg.get("tta_pipeline") or [])
    assert find_test_pipeline(cfg)
    check_runner(cfg)
    # Flip, metric and averaging of views follow the data set; embeddings are averaged without one.
    assert len(set(surfaces_in(cfg.to_dict())) - {None}) <= 1
    for backend in cfg.get("vis_backends", []):
        found(VISBACKENDS, backend)
    found(VISUALIZERS, cfg.visualizer)
    found(LOG_PROCESSORS, cfg.log_processor)
    if name.startswith("stip/"):  # mmpose's inferencers read these
        assert cfg.data_mode == "topdown"
        assert cfg.dataset_type == cfg.test_dataloader.dataset.type


def smallest(folder: str) -> str:
    """A config of a folder for the CPU, if there is one."""
    names = [name for name in CONFIGS if name.startswith(f"{folder}/")]
    return next((name for name in names if "_cpu_" in name), names[0])


@pytest.mark.parametrize("name", sorted({smallest(n.partition("/")[0]) for n in CONFIGS}))
def test_model_pipelines_and_evaluators_build(name, tmp_path):
    cfg = inherit(name, tmp_path)
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) > 1e5
    assert build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    for loader in ("train_dataloader", "test_dataloader"):
        steps = cfg[loader].dataset.pipeline
        for step in steps:
            if step.get("surface") == "data/densepose_surface":  # files that only users have
                step["surface"] = "human"
        assert len(Compose(steps).transforms) == len(steps)
    VISUALIZERS.build(cfg.visualizer)
    for hook in [*cfg.default_hooks.values(), *cfg.custom_hooks]:
        HOOKS.build(hook)


def surfaces_in(node: Any):
    """All surfaces that a config names."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "surface":
            yield value
        elif isinstance(value, dict | list | tuple):
            yield from surfaces_in(value)


def names_in(node: Any):
    """All `type`s of a config."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield node["type"]
        for value in node.values():
            yield from names_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from names_in(value)


ROOT_REGISTRIES = (
    *(DATA_SAMPLERS, HOOKS, LOG_PROCESSORS, LOOPS, METRICS, OPTIM_WRAPPERS, OPTIMIZERS),
    *(PARAM_SCHEDULERS, TRANSFORMS, VISBACKENDS, VISUALIZERS, WEIGHT_INITIALIZERS),
    *(DATASETS, MODELS),
)


def test_names_without_a_scope_are_mmengines_alone():
    """And mean the same in every scope: mmdet and mmpose have no other class of that name."""
    Config.fromfile(ROOT / "configs" / CONFIGS[0])
    init_default_scope("mmdet")
    bare = {
        name
        for path in (ROOT / "configs").rglob("*.py")
        for name in re.findall(r'\btype"?\s*[=:]\s*"([A-Za-z0-9]+)"', path.read_text())
    } - OPERATORS
    assert bare
    for name in sorted(bare):
        home = [registry for registry in ROOT_REGISTRIES if name in registry.module_dict]
        assert home, f"{name} needs the prefix of its scope"
        for registry in home:
            for scope in ("mmdet", "mmpose"):
                child = registry.children.get(scope)
                assert child is None or name not in child.module_dict, f"{scope}.{name}?"


def test_hub_builds_a_model_of_ours():
    before = DefaultScope.get_current_instance()
    model = get_model("mmktn::densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py")
    assert type(model).__name__ == "FasterRCNN"
    assert DefaultScope.get_current_instance() is before
    cfg = get_config("mmktn::stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py")
    assert cfg.model.head.type == "mmktn.STIPHead"
