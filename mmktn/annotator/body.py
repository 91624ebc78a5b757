"""The body that points are put on: clickable views of its parts, its mesh, its distances.

Views take seconds to draw and distances half a minute, so both are made in the background, once per
body, and kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.body_parts import PartScheme
from mmktn.annotation.part_views import PartViews, SurfacePoint, render_part_views
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.file_cache import cache_folder
from mmktn.surface.mesh import SurfaceMesh
from mmktn.utils.output_files import replace_atomically_by_name
from mmktn.utils.user_error import UserError

_VIEWS_VERSION = 1


class Body:
    """A body with its parts.

    Args:
        surface: A surface with a mesh.
        scheme: Its parts.
        view_size: Side of the views in pixels.

    Raises:
        UserError: The surface has no mesh to show.
    """

    def __init__(self, surface: BodySurface, scheme: PartScheme, *, view_size: int = 256) -> None:
        if surface.mesh is None:
            raise UserError(
                f"surface {surface.name!r} has no mesh: there is nothing to click on (the official "
                "files need SMPL_SUBDIV_TRANSFORM.mat and UV_Processed.mat, docs/surface.md)"
            )
        self.surface, self.scheme, self.view_size = surface, scheme, view_size
        self._views: dict[int, PartViews] = {}
        self._locks = {part.number: threading.Lock() for part in scheme.parts}
        self._distances_ready = threading.Event()
        self.distances_error: str | None = None

    @property
    def mesh(self) -> SurfaceMesh:
        """The mesh."""
        return cast("SurfaceMesh", self.surface.mesh)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with mesh, charts or parts: a project keeps to one body."""
        parts = repr([(part.name, part.charts) for part in self.scheme.parts])
        text = "".join([self.mesh.hash, self.surface.atlas.hash, parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Make distances and all views, so that nobody waits for them later."""
        self.prepare_distances()
        for part in self.scheme.parts:
            self.views(part.number)

    def prepare_distances(self) -> None:
        """Compute or open the distances; where a package is missing, `distances_error` says so."""
        try:
            self.surface.geodesics  # noqa: B018 (computed when first asked for)
        except (ImportError, ValueError) as error:
            self.distances_error = str(error)
            return
        self._distances_ready.set()

    @property
    def has_distances(self) -> bool:
        """Whether distances along the skin are there already."""
        return self._distances_ready.is_set()

    def views(self, part: int) -> PartViews:
        """Return the six views of a part, drawn at the first call.

        Raises:
            ValueError: No such part.
        """
        entry = self.scheme[part]
        with self._locks[part]:
            if part not in self._views:
                self._views[part] = self._stored_views(part, entry.charts)
            return self._views[part]

    def _stored_views(self, part: int, charts: tuple[int, ...]) -> PartViews:
        key = f"{self.mesh.hash}{self.surface.atlas.hash}{charts}{self.view_size}{_VIEWS_VERSION}"
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        file = cache_folder() / "part_views" / f"{name}.npz"
        try:
            return replace(PartViews.load(file), part=part)
        except (OSError, ValueError):
            pass  # not there, or damaged: draw it
        made = render_part_views(self.surface, part, charts=charts, size=self.view_size)
        try:
            with replace_atomically_by_name(file) as free:
                made.save(free)
        except UserError:
            pass  # a full disk costs time at the next start, no labels
        return made

    def pick(self, part: int, view: int, x: float, y: float) -> dict[str, Any] | None:
        """Return what a click on a view hits, and where that lies in all views.

        Args:
            part: Number of the part.
            view: From 0.
            x: Pixels from the left edge of the view.
            y: From its upper edge.

        Returns:
            `I`, `U`, `V`, `vertex`, `position` (m), `places` (six [x, y, seen]); None beside the
            part.

        Raises:
            UserError: No such view, or a place outside of it.
        """
        views = self.views(part)
        try:
            point = views.pick(view, x, y)
        except IndexError as error:
            raise UserError(str(error)) from error
        return None if point is None else {**_as_json(point), **self.shown(part, point.position)}

    def shown(self, part: int, position: NDArray[np.float64]) -> dict[str, Any]:
        """Tell where a body point lies in the views of a part: `places`, six [x, y, seen]."""
        places, seen = self.views(part).find(position)
        rows = zip(places.round(2).tolist(), seen.tolist(), strict=True)
        return {"places": [[x, y, bool(shows)] for (x, y), shows in rows]}

    def locate(self, chart: int, u: float, v: float) -> tuple[int, NDArray[np.float64]]:
        """Return the nearest mesh vertex of a chart point, and its position (3,) in metres.

        Raises:
            UserError: The body has no such chart.
        """
        vertex = int(self.surface.atlas.nearest_mesh_vertex([chart], [u], [v])[0])
        if vertex < 0:
            raise UserError(f"chart {chart}: {self.surface.name} has none of this number")
        face, weights = self.surface.atlas.locate([chart], [u], [v])
        if face[0] < 0:
            return vertex, self.mesh.vertices[vertex]
        return vertex, self.surface.atlas.points(face, weights)[0]

    def view_picture(self, part: int, view: int) -> bytes:
        """Return a view as PNG.

        Raises:
            UserError: No such view.
        """
        pictures = self.views(part).pictures
        if not 0 <= view < len(pictures):
            raise UserError(f"view {view}: there are {len(pictures)}")
        return encode_png(pictures[view])

    def mesh_bytes(self) -> bytes:
        """Return the mesh for the turning body, little-endian.

        Two uint32 (V, F), then V x 3 float32 positions, V x 3 float32 normals, F x 3 uint32 faces,
        V uint8 parts.
        """
        mesh = self.mesh
        head = np.array([mesh.num_vertices, mesh.num_faces], "<u4")
        parts = self.scheme.vertex_parts(self.surface)
        arrays = (head, *(a.astype("<f4") for a in (mesh.vertices, mesh.vertex_normals)))
        return b"".join(
            a.tobytes() for a in (*arrays, mesh.faces.astype("<u4"), parts.astype(np.uint8))
        )


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) RGB as PNG."""
    _, code = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return bytes(code.tobytes())


def _as_json(point: SurfacePoint) -> dict[str, Any]:
    return {
        "I": point.chart,
        "U": round(point.u, 6),
        "V": round(point.v, 6),
        "vertex": point.vertex,
        "position": point.position.round(5).tolist(),
    }
