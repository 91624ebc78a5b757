"""The table of published models: names, addresses, licences and published figures."""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from mmktn.utils.config_path import CONFIG_SUFFIXES, config_folders
from mmktn.utils.download import Pin
from mmktn.utils.user_error import UserError

SCHEME = "mmktn://"
# Taken where no model is named.
DEFAULT = "ktn_efficientnet-lite0"
_TABLE = Path(__file__).with_name("models.json")
_SHIPPED = Path(__file__).with_name("weights")


@dataclass(frozen=True)
class ZooModel:
    """A row of the table.

    Attributes:
        name: Its name here.
        aliases: Other names, of the config here and of the project that published it.
        kind: ``"charts"``, ``"CSE"`` or ``"keypoints"``.
        config: Name of its config without ending.
        form: Whose form the published file has: ``"detectron2"``, ``"stip"``, ``"mmpose"`` or
            ``"mmktn"``.
        address: Where the file is fetched; None where no program can fetch it.
        file: Path or name of the file below the place where it is published.
        get: Where people get it, if no program can.
        bytes: Length of the file, if known.
        sha256: SHA-256 of the file, if known.
        licence: Licence of the weights; None where their page states none.
        page: Where that is said.
        data: What the figures were measured on.
        metrics: Published figures by name, in percent.
    """

    name: str
    aliases: tuple[str, ...]
    kind: str
    config: str
    form: str
    licence: str | None
    page: str
    data: str
    address: str | None = None
    file: str | None = None
    get: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def pin(self) -> Pin:
        """What is known about the content of the published file."""
        return Pin(self.bytes, self.sha256)

    @property
    def file_name(self) -> str:
        """Name of the published file."""
        path = urlsplit(self.address).path if self.address else self.file or ""
        return PurePosixPath(path).name

    @property
    def shipped_file(self) -> Path | None:
        """Its place in the package; None where it is published elsewhere."""
        return _SHIPPED / self.file_name if self.form == "mmktn" else None

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it is found by: names, name of the file, number of the run, address."""
        found = [self.name, *self.aliases, self.config, self.file_name]
        if self.address:
            found += [p for p in urlsplit(self.address).path.split("/") if p.isdecimal()]
            found.append(self.address)
        return tuple(dict.fromkeys(found))


@functools.cache
def zoo_models() -> tuple[ZooModel, ...]:
    """Return all rows of the table, in its order."""
    rows = json.loads(_TABLE.read_text(encoding="utf-8"))
    return tuple(ZooModel(**row | {"aliases": tuple(row["aliases"])}) for row in rows)


def find_model(name: str) -> ZooModel:
    """Look a model up.

    Args:
        name: Its name, an alias (see `ZooModel.names`), or `mmktn://NAME`. Small and capital
            letters count as the same, and so do ``-`` and ``_``.

    Raises:
        UserError: No such model; the text offers similar names.
    """
    known = _by_name()
    key = _key(name.removeprefix(SCHEME))
    if key in known:
        return known[key]
    longer = [other for other in known if key and other.startswith(key)]
    near = [known[o].name for o in longer + difflib.get_close_matches(key, list(known), n=6)]
    hint = f"; similar: {', '.join(list(dict.fromkeys(near))[:3])}" if near else ""
    raise UserError(f"no model is named {name!r}{hint} (python -m mmktn models lists all)")


def is_model_name(text: str | Path) -> bool:
    """Whether a text names a model of the table, or says that it does (`mmktn://`).

    Args:
        text: What was given as model, config or checkpoint. Files that exist are no names.
    """
    if not isinstance(text, str):
        return False
    if text.startswith(SCHEME):
        return True
    return _key(text) in _by_name() and not Path(text).is_file()


def is_no_config(text: str | Path) -> bool:
    """Whether what was given as config can only be meant as a name: no ending, no folder."""
    if not isinstance(text, str) or "::" in text:
        return False
    path = Path(text)
    bare = path.name == text and path.suffix not in CONFIG_SUFFIXES and not path.exists()
    return bare or is_model_name(text)


def config_file(model: ZooModel) -> Path | None:
    """Return the config of a model; None while this version of mmktn has none for it."""
    for folder in config_folders():
        for found in folder.rglob(f"{model.config}.py"):
            return found
    return None


@functools.cache
def _by_name() -> dict[str, ZooModel]:
    """Names and aliases -> row; the first row keeps a name that two share (of a config)."""
    found: dict[str, ZooModel] = {}
    for model in zoo_models():
        for name in (model.name, *model.aliases):
            found.setdefault(_key(name), model)
    for model in zoo_models():
        for name in model.names:
            found.setdefault(_key(name), model)
    return found


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")
