"""Bring the published file of a model onto this machine."""

from __future__ import annotations

import os
from pathlib import Path

from mmktn.utils.download import (
    MIRROR_VARIABLE,
    Fetched,
    fetch,
    find_in_folder,
    place_of,
    say,
)
from mmktn.utils.user_error import UserError
from mmktn.zoo.table import ZooModel
from mmktn.zoo.trust import check_trusted, licence_line, trusted_sha256


def obtain(model: ZooModel) -> Fetched:
    """Find or fetch the published file of a model; its licence is said when it comes.

    Args:
        model: A row of the table that is not part of the package.

    Returns:
        The file. It has the content that is known; where nothing is known it is yet to be read.

    Raises:
        UserError: It cannot be fetched (the text says why and what to do), or is another file than
            the known one.
    """
    if not is_fetched(model) or trusted_sha256(model) is None:
        say(licence_line(model))
    if model.address is None:
        found = _from_folder(model)
    else:
        found = fetch(model.address, model.pin, mirrored=True)
    check_trusted(model, found)
    return found


def is_fetched(model: ZooModel) -> bool:
    """Whether the published file lies in the home."""
    return model.address is not None and place_of(model.address).is_file()


def _from_folder(model: ZooModel) -> Fetched:
    """Return a file that people have to get themselves."""
    assert model.file is not None
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    if mirror and "://" not in mirror:
        return find_in_folder(Path(mirror), model.file, model.pin)
    raise UserError(
        f"{model.name} cannot be fetched by a program. Get {model.file_name} from {model.get}, set "
        f"{MIRROR_VARIABLE} to the folder where it lies, and run the same command again"
    )
