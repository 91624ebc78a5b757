"""Find the shipped config whose model a translated checkpoint fills.

A config fits where its parts are those of the checkpoint and every weight has its place and shape.
Models are built on the meta device: KTM version 2 alone would take 0.8 GB.
"""

import functools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from mmktn.checkpoints.conversion import DetectorConversion, Shapes, fit
from mmktn.checkpoints.structure import describe, part_types, width_options
from mmktn.registry import MODELS, TASK_UTILS
from mmktn.utils.setup_env import register_all_modules

# detectron2 stores anchors in float32; the sizes are hundreds of pixels.
ANCHOR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ConfigFit:
    """A config that fits a checkpoint.

    Attributes:
        path: The shipped config.
        config: The same, with the checkpoint's widths.
        conversion: The checkpoint, under the names of the config's model.
        widths: What was changed: key below `model` -> value; empty where the config fits as it is.
    """

    path: Path
    config: Config
    conversion: DetectorConversion
    widths: dict[str, Any]


def find_config(conversion: DetectorConversion, folder: str | Path) -> ConfigFit | None:
    """Find the config that a checkpoint fits, with other widths if need be.

    Args:
        conversion: The checkpoint.
        folder: Folder of configs. The word for the backbone in a name (`r50`) is relied upon.

    Returns:
        The one of the shortest name, a config that fits as it is before one that fits with other
        widths; None if there is none.
    """
    adapted = None
    for path in _candidates(conversion, folder):
        found = _try_config(conversion, path)
        if found is not None and not found.widths:
            return found
        adapted = adapted or found
    return adapted


def explain_misfit(conversion: DetectorConversion, folder: str | Path) -> str:
    """Say why no shipped config fits: the first thing that is amiss with the nearest one.

    Args:
        conversion: A checkpoint that `find_config` finds no config for.
        folder: Folder of configs.

    Returns:
        One line.
    """
    parts = part_types(conversion.state_dict)
    nearest: tuple[int, str] | None = None
    for path in _candidates(conversion, folder):
        model = _read(path, path.stat().st_mtime_ns).model
        amiss = {k: ok for k, ok in parts.items() if _unscoped(_lookup(model, k)) not in ok}
        if amiss:
            key, theirs = next(iter(amiss.items()))
            ours = _unscoped(_lookup(model, key))
            reason = f"its {key} would be {theirs[0]}, not {ours}"
        else:
            reason = _reason_against(conversion, path)
        if nearest is None or len(amiss) < nearest[0]:
            nearest = (len(amiss), f"the nearest is {path.name}, but {reason}")
    name = describe(conversion.state_dict)
    return f"no shipped config fits {name}: {nearest[1] if nearest else 'none has its backbone'}"


def model_shapes(config: Config) -> Shapes:
    """Name -> shape of everything in the state dict of a config's model."""
    register_all_modules(init_default_scope=False)
    scope = DefaultScope.overwrite_default_scope(config.get("default_scope", "mmdet"))
    with scope, torch.device("meta"):
        weights = MODELS.build(config.model).state_dict()
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def check_constants(constants: Mapping[str, Tensor], config: Config) -> None:
    """Compare what old checkpoints store beside their weights with a config.

    Args:
        constants: Official name -> value; only the input normalisation and the anchors are looked
            at.
        config: The config.

    Raises:
        ValueError: The config normalises images or makes anchors in another way.
    """
    for name, value in constants.items():
        last = name.rsplit(".", 1)[-1]
        if last in ("pixel_mean", "pixel_std"):
            key = last.removeprefix("pixel_")
            ours = torch.tensor(config.model.data_preprocessor[key], dtype=torch.float32)
            _compare(name, value.flatten(), ours, f"model.data_preprocessor.{key}")
        elif "anchor_generator.cell_anchors" in name:
            with DefaultScope.overwrite_default_scope("mmdet"):
                anchors = TASK_UTILS.build(config.model.rpn_head.anchor_generator).base_anchors
            key = "model.rpn_head.anchor_generator"
            if int(last) >= len(anchors):
                raise ValueError(f"{name}: {key} has {len(anchors)} levels only")
            _compare(name, value, anchors[int(last)], key)


def hint_for(conversion: DetectorConversion, folder: str | Path) -> str:
    """Return what the checkpoint is, and which config fits it: the tail of a message."""
    found = find_config(conversion, folder)
    if found is None:
        advice = f"no config in {Path(folder).name} fits it"
    elif found.widths:
        advice = f"of the structure of {found.path.name}, with other widths"
    else:
        advice = f"the config that fits is {found.path.name}"
    return f"the checkpoint is {describe(conversion.state_dict)}: {advice}"


@functools.cache
def _read(path: Path, changed: int) -> Config:
    """A config as it stands, to be looked at alone: a search reads dozens, and often twice."""
    return Config.fromfile(str(path))


def _candidates(conversion: DetectorConversion, folder: str | Path) -> list[Path]:
    """Return the configs with the checkpoint's backbone, the shortest name first."""
    depth = part_types(conversion.state_dict)["backbone.depth"][0]
    word = "hrnet" if depth is None else f"r{depth}"
    paths = (p for p in Path(folder).glob("*.py") if word in p.stem.replace("-", "_").split("_"))
    return sorted(paths, key=lambda p: (len(p.stem), p.stem))


def _reason_against(conversion: DetectorConversion, path: Path) -> str:
    """Tell why a config of the same parts does not fit, whatever its widths."""
    try:
        found = _with_own_widths(conversion, path, _read(path, path.stat().st_mtime_ns))
    except KeyError as error:
        return f"{error.args[0]} is missing"
    except (IndexError, ValueError) as error:
        return str(error)
    raise AssertionError(f"{found.path.name} fits")


def _try_config(conversion: DetectorConversion, path: Path) -> ConfigFit | None:
    config = _read(path, path.stat().st_mtime_ns)
    parts = part_types(conversion.state_dict)
    if any(_unscoped(_lookup(config.model, key)) not in ok for key, ok in parts.items()):
        return None
    for attempt in (_fitting, _with_own_widths):
        # An incomplete checkpoint lacks what its widths are read from: `explain_misfit` names it.
        with suppress(KeyError, IndexError, ValueError):
            return attempt(conversion, path, config)
    return None


def _with_own_widths(conversion: DetectorConversion, path: Path, config: Config) -> ConfigFit:
    neck = _unscoped(_lookup(config.model, "roi_head.densepose_neck.type"))
    return _fitting(conversion, path, config, widths=width_options(conversion.state_dict, neck))


def _fitting(
    conversion: DetectorConversion,
    path: Path,
    config: Config,
    *,
    widths: Mapping[str, Any] = MappingProxyType({}),
) -> ConfigFit:
    changed = {k: v for k, v in widths.items() if _lookup(config.model, k) != v}
    adapted = Config(config.to_dict(), filename=config.filename)
    adapted.merge_from_dict({f"model.{key}": value for key, value in changed.items()})
    return ConfigFit(path, adapted, fit(conversion, model_shapes(adapted)), changed)


def _lookup(node: Any, key: str) -> Any:
    """Return the value at a dotted key, None where a part is absent."""
    for word in key.split("."):
        node = node.get(word) if isinstance(node, Mapping) else None
    return node


def _unscoped(name: Any) -> Any:
    return name.rsplit(".", 1)[-1] if isinstance(name, str) else name


def _compare(name: str, theirs: Tensor, ours: Tensor, key: str) -> None:
    if theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=ANCHOR_TOLERANCE):
        raise ValueError(f"{name} is {theirs.tolist()}, {key} of the config gives {ours.tolist()}")
