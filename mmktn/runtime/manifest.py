"""The JSON file beside exported networks: what they are, and what has to happen around them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmktn.utils.user_error import UserError

MANIFEST = "mmktn.json"
FORMAT = 1
FILE_FORMATS = ("onnx", "openvino", "torchscript")
PRECISIONS = ("float", "half", "int8")
KINDS = ("rcnn", "topdown", "pose")
_PARTS = {"rcnn": ("body", "boxes", "charts"), "topdown": ("network",), "pose": ("network",)}
_SETTINGS = {
    "rcnn": ("picture", "rpn", "boxes", "charts"),
    "topdown": ("crop", "charts"),
    "pose": ("crop", "heatmaps"),
}
_MAX_BYTES = 1 << 22


@dataclass(frozen=True)
class Manifest:
    """What stands in the JSON file of an exported system.

    Attributes:
        folder: Where it lies.
        kind: `rcnn` (body, box head and branch), `topdown` (charts of a crop) or `pose` (keypoints
            of a crop).
        engine: One of `FILE_FORMATS`.
        precision: One of `PRECISIONS`.
        name: What was exported.
        surface: Body that the charts are of.
        classes: Names of the detector's classes.
        parts: Part of the network -> its file and the SHA-256 of it.
        settings: What has to happen around the parts, by step.
    """

    folder: Path
    kind: str
    engine: str
    precision: str
    name: str
    surface: str
    classes: tuple[str, ...]
    parts: dict[str, dict[str, Any]]
    settings: dict[str, Any]

    def file(self, part: str) -> Path:
        """Return the file of a part, checked against the SHA-256 that the exporter wrote down.

        Raises:
            UserError: It is missing, or another one.
        """
        entry = self.parts[part]
        path = self.folder / entry["file"]
        if not path.is_file():
            raise UserError(f"{path}: no such file; export the system again")
        for name, expected in {entry["file"]: entry["sha256"], **entry.get("with", {})}.items():
            if file_digest(self.folder / name) != expected:
                raise UserError(
                    f"{self.folder / name} is not the file that {MANIFEST} describes; export the "
                    "system again"
                )
        return path

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "format": FORMAT,
            **{key: getattr(self, key) for key in ("kind", "engine", "precision", "name")},
            "surface": self.surface,
            "classes": list(self.classes),
            "parts": self.parts,
            **self.settings,
        }


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        UserError: It is missing.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; export the system again") from error
    return digest.hexdigest()


def read_manifest(folder: str | Path) -> Manifest:
    """Read and check the JSON file of an exported folder.

    Args:
        folder: What `python -m mmktn export --out` wrote.

    Raises:
        UserError: No such folder, no such file in it, or a field is missing or of another kind.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{folder} is no exported system: it has no {MANIFEST}; make one with python -m mmktn "
            "export NAME --out FOLDER"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path} has {path.stat().st_size} bytes, more than a description")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a description")
    if content.get("format") != FORMAT:
        raise UserError(
            f"{path}: format {content.get('format')!r}; this mmktn reads format {FORMAT}: export "
            "the system again"
        )
    kind = content.get("kind")
    if kind not in KINDS:
        raise UserError(f"{path}: kind {kind!r}; expected one of {', '.join(KINDS)}")
    for key, kinds in (
        *((key, str) for key in ("engine", "precision", "name", "surface")),
        ("classes", list),
        ("parts", dict),
        *((key, dict) for key in _SETTINGS[kind]),
    ):
        if not isinstance(content.get(key), kinds):
            raise UserError(f"{path}: {key} is {content.get(key)!r}, not a {kinds.__name__}")
    for part in {*_PARTS[kind], *content["parts"]}:
        _check_part(path, part, content["parts"].get(part))
    known = {"format", "kind", "engine", "precision", "name", "surface", "classes", "parts"}
    return Manifest(
        folder=Path(folder),
        **{key: content[key] for key in ("kind", "engine", "precision", "name", "surface")},
        classes=tuple(map(str, content["classes"])),
        parts=content["parts"],
        settings={key: value for key, value in content.items() if key not in known},
    )


def _check_part(path: Path, part: str, entry: Any) -> None:
    """Check that a part names files of the folder itself, and their SHA-256."""
    more = entry.get("with", {}) if isinstance(entry, dict) else None
    files = {entry.get("file"): entry.get("sha256"), **more} if isinstance(more, dict) else {"": ""}
    if not all(
        isinstance(text, str) and text and Path(text).name == text and text != ".."
        for pair in files.items()
        for text in pair
    ):
        raise UserError(
            f"{path}: parts.{part} is {entry!r}, not a file of its folder with its sha256"
        )
