"""Published files -> checkpoints of ours: read without running anything, translated, and checked.

Every weight of the config's model has to be filled, in its shape; nothing is written otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmktn.checkpoints import (
    check_constants,
    check_parts,
    convert_detector,
    fit,
    model_shapes,
    read_official_checkpoint,
)
from mmktn.utils.checkpoint_files import load_weights
from mmktn.utils.config_path import read_config
from mmktn.utils.download import Fetched, home_folder, say
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError
from mmktn.version import __version__
from mmktn.zoo.table import ZooModel
from mmktn.zoo.trust import trusted_sha256

_COUNTER = "num_batches_tracked"


def convert(model: ZooModel, found: Fetched, config: Path, target: Path) -> None:
    """Convert a published file.

    Args:
        model: Row of the table.
        found: Its file.
        config: Config whose model it has to fill.
        target: Checkpoint to write.

    Raises:
        UserError: The file cannot be read (a fetched one of unknown content is not kept then), or
            does not fill the model.
    """
    try:
        official = _read(model, found.path)
    except ValueError as error:
        kept = _remove_unknown(model, found)
        raise UserError(f"{model.name}: {error}; it is not trusted{kept}") from error
    say(f"converting {found.path.name} for {config.name}")
    try:
        state, dropped = _translate(model, official, config)
    except (ValueError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        raise UserError(
            f"{model.name}: {found.path} does not fill the model of {config.name}: {text}"
        ) from error
    meta = {
        "model": model.name,
        "source": model.address or model.file_name,
        "source_sha256": found.sha256,
        "licence": model.licence,
        "licence_page": model.page,
        "mmktn_version": __version__,
        "config_name": config.name,
        "dropped": dropped,
        **({} if model.kind == "keypoints" else {"dataset_meta": {"classes": _classes(config)}}),
    }
    with replace_atomically(target) as handle:
        torch.save({"meta": meta, "state_dict": state}, handle)


def _classes(config: Path) -> tuple[str, ...]:
    """Return the classes of a config's model, in the order of its labels."""
    dataset = dict(dict(read_config(str(config)).get("test_dataloader") or {}).get("dataset") or {})
    categories = dict(dataset.get("categories") or {"person": "person"})
    return tuple(dict.fromkeys(categories.values()))


def _read(model: ZooModel, path: Path) -> Mapping[str, Tensor]:
    """Official names -> weights."""
    if model.form == "detectron2":
        return read_official_checkpoint(path)
    return load_weights(path)


def _translate(
    model: ZooModel, official: Mapping[str, Tensor], config: Path
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Our names -> weights, and official name -> why it has no place.

    Raises:
        ValueError, KeyError: They are not the weights of the config's model.
    """
    cfg = read_config(str(config))
    shapes = model_shapes(cfg)
    if model.form == "detectron2":
        conversion = convert_detector(official)
        check_parts(conversion.state_dict)
        conversion = fit(conversion, shapes)
        check_constants(conversion.constants, cfg)
        return conversion.state_dict, dict(conversion.dropped)
    if model.form == "stip":
        from mmktn.stip import convert_stip_state_dict  # the system may be taken out

        translated = convert_stip_state_dict(official)
        state, dropped = dict(translated.state_dict), dict(translated.unused)
    else:
        state, dropped = _named_as_mmpose_does(official), {}
    _check_complete(state, shapes)
    return state, dropped


def _named_as_mmpose_does(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of mmpose under the names of its version 1."""
    return {
        (
            "head." + name.removeprefix("keypoint_head.")
            if name.startswith("keypoint_head.")
            else name
        ): weight
        for name, weight in official.items()
        if not name.startswith("data_preprocessor.")
    }


def _check_complete(state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """See that a state dict is that of a model, name by name.

    Raises:
        ValueError: It is not; the text names the first weight that is amiss.
    """
    for name, weight in state.items():
        if name not in shapes:
            raise ValueError(f"{name} has no place in it")
        if tuple(weight.shape) != tuple(shapes[name]):
            raise ValueError(
                f"{name} has shape {tuple(weight.shape)}, the model {tuple(shapes[name])}"
            )
    missing = [n for n in shapes if n not in state and not n.endswith(_COUNTER)]
    if missing:
        raise ValueError(f"it lacks {missing[0]} ({len(missing)} such names)")


def _remove_unknown(model: ZooModel, found: Fetched) -> str:
    """Remove a fetched file that nobody vouches for, so that the next try fetches it anew."""
    if trusted_sha256(model) is not None or home_folder() not in found.path.parents:
        return ""
    found.path.unlink(missing_ok=True)
    found.path.with_name(found.path.name + ".json").unlink(missing_ok=True)
    return ", and not kept"
