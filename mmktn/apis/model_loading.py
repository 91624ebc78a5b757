"""Build a model from a config and load a checkpoint, with one clear message for each mistake.

Departs from mmdet's `init_detector`: pickled code in a checkpoint is never run (`weights_only`),
weights that do not fit are an error and not a warning, and no dataset has to exist.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmktn.apis.test_pipeline import type_name
from mmktn.registry import MODELS
from mmktn.utils.checkpoint_files import load_safely
from mmktn.utils.config_errors import config_errors
from mmktn.utils.config_path import merge_options, read_config
from mmktn.utils.devices import find_device
from mmktn.utils.output_files import replace_atomically
from mmktn.zoo.named_weights import named_checkpoint, resolve_names

_SIZE_MISMATCH = re.compile(
    r"size mismatch for (\S+): .*?shape (.*?) from checkpoint.*?is (.*?)\.$", re.MULTILINE
)


def load_config(config: str | Path | Config) -> Config:
    """Read a config file.

    Args:
        config: Path, `mmktn::folder/name.py` (see `resolve_config`), or a ready `Config`.

    Raises:
        FileNotFoundError: No such file; the message offers similar names.
        ValueError: Not a config file, or one without `model`.
    """
    cfg = config if isinstance(config, Config) else read_config(config)
    if cfg.get("model") is None:
        raise ValueError(f"{getattr(cfg, 'filename', config)}: the config has no 'model'")
    return cfg


def model_class(cfg: Config) -> Any:
    """Look up the class of a config's model; None where nothing is registered under its name."""
    kind = cfg.model.type
    return kind if isinstance(kind, type) else MODELS.get(kind)


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a config without downloading pretrained weights.

    Args:
        cfg: Config with `model`.

    Returns:
        The model in eval mode on the CPU, its parameters as the constructors leave them.
    """
    init_default_scope(cfg.get("default_scope") or "mmdet")
    with config_errors(cfg):
        model = MODELS.build(_without_pretrained(cfg.model))
    return revert_sync_batchnorm(model).eval()


def load_model(
    config: str | Path | Config | None = None,
    checkpoint: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> nn.Module:
    """Build a model and load its weights.

    Args:
        config: Config file, see `load_config`, or the name of a published model (docs/models.md);
            None takes the model that comes with mmktn.
        checkpoint: File, address or name. None takes the published weights of a name, and
            initialises the weights of a config at random.
        device: Where the model goes; None takes the GPU if there is one.
        cfg_options: Overrides, as `--cfg-options`.

    Returns:
        Model in eval mode, its config in `model.cfg`, class names in `model.dataset_meta`.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The checkpoint cannot be read, or does not fit the model, or no such device.
    """
    target = find_device(device)
    config, checkpoint = resolve_names(config, checkpoint)
    cfg = load_config(config)
    merge_options(cfg, cfg_options)
    model: Any = build_model(cfg)  # detectors carry attributes that nn.Module does not declare
    model.dataset_meta = {"classes": ("person",)}
    if checkpoint is None:
        _init_weights(model)
    else:
        state = read_checkpoint(checkpoint)
        fit_weights(model, state["state_dict"], source=str(checkpoint))
        model.dataset_meta.update(_lower_keys(state.get("meta", {}).get("dataset_meta") or {}))
    model.cfg = cfg
    return model.to(target)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint without running pickled code.

    Args:
        path: File, name of a published model, or an address that mmengine knows (http, file,
            mmktn://, open-mmlab://, ...).

    Returns:
        A dict with at least `state_dict`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a PyTorch checkpoint, one that needs pickled code, one without weights, or
            an address that cannot be read.
    """
    file = named_checkpoint(path) or path
    content = (
        CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
        if "://" in str(file)
        else load_safely(file, map_location="cpu")
    )
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, not a dict with 'state_dict'")
    if "state_dict" not in content:
        if not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
            keys = ", ".join(list(map(str, content))[:5])
            hint = (
                "; 'model' is how detectron2 saves: convert the file with python -m mmktn convert"
                if "model" in content
                else ""
            )
            raise ValueError(f"{path}: no 'state_dict' in the checkpoint; it has: {keys}{hint}")
        content = {"state_dict": content}
    return content


def fit_weights(model: nn.Module, state_dict: dict[str, torch.Tensor], *, source: str) -> None:
    """Load weights, all of them.

    Args:
        model: Receives the weights.
        state_dict: Weights by name; a leading `module.` (distributed training) is dropped.
        source: Name of the checkpoint for messages.

    Raises:
        ValueError: A parameter is missing or has another shape; the message names the first.
    """
    state: Any = OrderedDict((key.removeprefix("module."), v) for key, v in state_dict.items())
    if hasattr(state_dict, "_metadata"):
        state._metadata = state_dict._metadata  # versions by which modules read old names
    try:
        outcome = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        mismatch = _SIZE_MISMATCH.search(str(error))
        if mismatch is None:
            raise ValueError(f"{source}: {error}") from error
        key, given, wanted = mismatch.groups()
        raise ValueError(
            f"{source}: {key} has shape {given}, the config's model {wanted}; "
            "is this the checkpoint of another config?"
        ) from error
    missing = [key for key in outcome.missing_keys if not key.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(
            f"{source}: does not fit the config's model: {missing[0]} is missing ({len(missing)} "
            f"missing, {len(outcome.unexpected_keys)} unknown){_mismatch_hint(state, missing)}"
        )
    if outcome.unexpected_keys:
        MMLogger.get_current_instance().warning(
            f"{source}: {len(outcome.unexpected_keys)} weights are not used by this config, the "
            f"first is {outcome.unexpected_keys[0]}"
        )


def check_complete(cfg: Config, state_dict: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Check that a state dict holds every weight of a config's model, in its shape.

    The model is built without memory for its weights.

    Args:
        cfg: Config with `model`.
        state_dict: Weights by name.
        source: Name of the checkpoint for messages.

    Raises:
        ValueError: Weights are missing or have other shapes; the text names the first and says how
            many there are.
    """
    with torch.device("meta"):
        wanted = build_model(cfg).state_dict()
    given = {key.removeprefix("module."): value for key, value in state_dict.items()}
    lacking = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
    if lacking:
        raise ValueError(
            f"{source}: lacks {len(lacking)} of {len(wanted)} weights of the config's model, the "
            f"first is {lacking[0]}"
        )
    for key, value in wanted.items():
        if key in given and given[key].shape != value.shape:
            raise ValueError(
                f"{source}: {key} has shape {tuple(given[key].shape)}, the config's model "
                f"{tuple(value.shape)}"
            )


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    with replace_atomically(path) as handle:
        torch.save(dict(content), handle)


def _init_weights(model: nn.Module) -> None:
    """Initialise at random; mmengine would log two lines for each of hundreds of parameters."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)
    model.eval()


def _mismatch_hint(state: dict[str, torch.Tensor], missing: list[str]) -> str:
    """Return what most likely went wrong, from the names alone."""
    first = next(iter(state), "nothing")
    if any(
        key.startswith(("backbone.bottom_up", "roi_heads.", "proposal_generator")) for key in state
    ):
        return "; names of detectron2: convert the file with python -m mmktn convert first"
    if "conv1.weight" in state and any(key.startswith("stage2.0.branches.") for key in state):
        return (
            "; names of an official STIP or HRNet checkpoint: convert the file with "
            "python -m mmktn convert-stip first"
        )
    if all(".machine." in key for key in missing):
        return (
            "; is it folded (fold_ktm.py)? Then it needs --cfg-options ...predictor.folded=True, "
            "the whole name stands in the README beside the config"
        )
    if all("densepose" in key for key in missing):
        return "; it may be a detector without the DensePose branch, or of another DensePose head"
    return f"; the checkpoint's first weight is {first}: is it of another config?"


def _without_pretrained(node: Any) -> Any:
    """Copy of a config in which no module fetches pretrained weights.

    Classes stay classes (`to_dict` would turn those of a pure-Python config into their names, which
    mmdet does not find for operators).
    """
    if isinstance(node, dict):
        kept = ConfigDict({key: _without_pretrained(value) for key, value in node.items()})
        init = kept.get("init_cfg")
        if isinstance(init, dict) and type_name(init) in ("Pretrained", "PretrainedInit"):
            kept["init_cfg"] = None
        return kept
    if isinstance(node, list | tuple):
        return type(node)(_without_pretrained(value) for value in node)
    return node


def _lower_keys(meta: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in meta.items()}
