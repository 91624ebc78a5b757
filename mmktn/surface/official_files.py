"""Importers of a user's own official DensePose files."""

from pathlib import Path

from mmktn.surface.body_surface import BodySurface


def import_official_folder(folder: str | Path) -> BodySurface:
    """Placeholder body filled in the next commit."""
    raise NotImplementedError(f"{folder}: importing official files comes with the next commit")
