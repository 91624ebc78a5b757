"""What was trusted at its first use: address -> SHA-256, in `weights.lock.json` of the home.

For most published files nobody has published a hash. The first one that arrives, is read by the
restricted reader and fills its model completely is written down; another content under the same
name is an error later.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from mmktn.utils.download import Fetched, home_folder, say
from mmktn.utils.file_lock import single_writer
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import UserError
from mmktn.zoo.table import ZooModel


def lock_file() -> Path:
    """Return the file in which it is written down."""
    return home_folder() / "weights.lock.json"


def trusted_sha256(model: ZooModel) -> str | None:
    """Return SHA-256 of a model's published file: pinned in the table, else of its first use here.

    Raises:
        UserError: The lock file is damaged.
    """
    if model.sha256 is not None:
        return model.sha256
    entry = _read().get(_key(model))
    return None if entry is None else str(entry["sha256"])


def check_trusted(model: ZooModel, found: Fetched) -> None:
    """Compare a file with what is known about it.

    Raises:
        UserError: The content is another one than at the first use.
    """
    known = trusted_sha256(model)
    if known is not None and found.sha256 != known:
        raise UserError(
            f"{model.name}: {found.path} is not the file that was used first (SHA-256 "
            f"{found.sha256[:16]}..., then {known[:16]}...); if you know why it changed, delete "
            f"the entry from {lock_file()} and the file"
        )


def trust(model: ZooModel, found: Fetched) -> None:
    """Write a file down that was read and fills its model; says so, and under which licence."""
    with single_writer(lock_file()):
        entries = _read()
        if _key(model) in entries:
            return
        entries[_key(model)] = {
            "name": model.name,
            "sha256": found.sha256,
            "bytes": found.bytes,
            "licence": model.licence,
            "first_use": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        write_json(lock_file(), entries, indent=1)
    if model.sha256 is None:
        say(
            f"{model.name}: nobody published the hash of this file; it was read without running "
            f"anything in it and fills its model, so SHA-256 {found.sha256[:16]}... is trusted "
            f"from now on ({lock_file()})"
        )


def licence_line(model: ZooModel) -> str:
    """Return what is to be known before the weights are used."""
    if model.licence is None:
        return f"{model.name}: no licence is stated ({model.page}); nothing is passed on by mmktn"
    return f"{model.name}: licence {model.licence} ({model.page}); it holds for what you make of it"


def _key(model: ZooModel) -> str:
    return model.address or f"file:{model.file}"


def _read() -> dict[str, Any]:
    """Return the entries.

    Raises:
        UserError: The file is damaged.
    """
    path = lock_file()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); mend or delete it") from error
    fine = isinstance(entries, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("sha256"), str)
        for entry in entries.values()
    )
    if not fine:
        raise UserError(f"{path}: not a table of addresses and hashes; mend or delete it")
    return dict(entries)
