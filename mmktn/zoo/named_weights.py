"""Weights of a model by name: fetched, converted once, and found again.

A converted file lies under the SHA-256 of its source and the version of the converter, so that a
new version of mmktn converts anew and never reads what another one made.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TypeVar

from mmktn.utils.download import home_folder
from mmktn.utils.file_lock import single_writer
from mmktn.utils.user_error import UserError
from mmktn.zoo.fetching import is_fetched, obtain
from mmktn.zoo.table import DEFAULT, ZooModel, config_file, find_model, is_model_name, is_no_config
from mmktn.zoo.trust import trust, trusted_sha256

_PACKAGE = Path(__file__).parents[1]
# What decides how a published file becomes ours.
_CONVERTER = ("checkpoints", "stip/checkpoint_keys.py")
_Given = TypeVar("_Given")


def weights(name: str) -> Path:
    """Bring the weights of a model onto this machine, in our form.

    Args:
        name: See `find_model`.

    Returns:
        A checkpoint file that fills the model of `require_config(name)`.

    Raises:
        UserError: No such model, none that this version runs, or its file cannot be fetched, is
            another one than the known one, or does not fill the model.
    """
    model = find_model(name)
    config = require_config(model)
    if model.shipped_file is not None:
        return _shipped(model)
    known = trusted_sha256(model)
    if known is not None and converted_file(model, known).is_file():
        return converted_file(model, known)
    found = obtain(model)
    place = converted_file(model, found.sha256)
    with single_writer(place, waiting=f"another process is converting {model.name}; waiting"):
        if not place.is_file():
            from mmktn.zoo.conversion import convert

            convert(model, found, config, place)
    trust(model, found)
    return place


def require_config(model: ZooModel) -> Path:
    """Return the config of a model.

    Raises:
        UserError: This version of mmktn has none.
    """
    config = config_file(model)
    if config is None:
        raise UserError(
            f"{model.name} is not yet runnable here: this version of mmktn has no config "
            f"{model.config}.py for it"
        )
    return config


def resolve_names(
    config: _Given, checkpoint: str | Path | None
) -> tuple[_Given | str, str | Path | None]:
    """Put files in the place of names of the table.

    Args:
        config: A config in any form, or a name; None takes the model that comes with mmktn.
        checkpoint: A file, an address, a name, or None; with a name as config None takes the
            published weights.

    Returns:
        Config and checkpoint; what is no name is returned as it is.

    Raises:
        UserError: See `weights`.
    """
    named: _Given | str = DEFAULT if config is None else config
    if isinstance(named, str) and is_no_config(named):
        model = find_model(named)
        if checkpoint is None:
            checkpoint = weights(model.name)
        named = str(require_config(model))
    return named, named_checkpoint(checkpoint)


def named_checkpoint(checkpoint: str | Path | None) -> str | Path | None:
    """Put the file in the place of a checkpoint's name; what is no name is returned as it is.

    Raises:
        UserError: See `weights`; or what is given is neither a file nor a name.
    """
    if not isinstance(checkpoint, str):
        return checkpoint
    if is_model_name(checkpoint):
        return weights(checkpoint)
    path = Path(checkpoint)
    if path.name == checkpoint and not path.suffix and not path.exists():
        find_model(checkpoint)  # says which names are similar
    return checkpoint


def converted_file(model: ZooModel, sha256: str) -> Path:
    """Tell where the converted weights of a published file are kept."""
    folder = f"{sha256[:16]}-{converter_version(model.config)}"
    return home_folder() / "converted" / folder / f"{model.name}.pth"


@functools.cache
def converter_version(config: str) -> str:
    """Return what tells versions of converter apart: its sources, and the config that it fills."""
    files = [Path(__file__).with_name("conversion.py")]
    for part in _CONVERTER:
        path = _PACKAGE / part
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    digest = hashlib.sha256(config.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def state_of(model: ZooModel) -> str:
    """Return what there is of a model on this machine, in a word or two."""
    if config_file(model) is None:
        return "not yet runnable here"
    if model.shipped_file is not None:
        return "ready" if model.shipped_file.is_file() else "not in this package yet"
    known = trusted_sha256(model)
    if known is not None and converted_file(model, known).is_file():
        return "ready"
    if is_fetched(model):
        return "fetched"
    return "" if model.address else "to be got by hand"


def _shipped(model: ZooModel) -> Path:
    """Return the file of a model that is part of the package."""
    path = model.shipped_file
    assert path is not None
    if not path.is_file():
        raise UserError(
            f"{model.name}: this mmktn comes without its weights ({path.name}); name a published "
            "model instead, e.g. densepose-rcnn_r50_fpn_s1x (python -m mmktn models lists all)"
        )
    return path
