"""Importers of a user's own official DensePose files into a ``BodySurface``.

Formats: SMPL_subdiv.mat and SMPL_SUBDIV_TRANSFORM.mat (charts of the subdivided mesh and its map to
the closed mesh), Pdist_matrix.pkl (distances), UV_symmetry_transforms.mat (mirror tables),
UV_Processed.mat (charts of the base mesh). Ids in the files are 1-based and stored in whatever
integer width MATLAB chose; they are widened to int64 before anything is computed with them.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.atlas import ChartAtlas
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.geodesic import GeodesicTable
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.official_distances import open_official_distances
from mmktn.surface.parts import NUM_CHARTS
from mmktn.surface.symmetry import TABLE_SIZE, ChartSymmetry

SUBDIV, TRANSFORM, DISTANCES = "SMPL_subdiv.mat", "SMPL_SUBDIV_TRANSFORM.mat", "Pdist_matrix.pkl"
SYMMETRY, BASE = "UV_symmetry_transforms.mat", "UV_Processed.mat"
ORIGIN = {
    SUBDIV: "https://dl.fbaipublicfiles.com/densepose/data/SMPL_subdiv.mat",
    TRANSFORM: "https://dl.fbaipublicfiles.com/densepose/data/SMPL_SUBDIV_TRANSFORM.mat",
    DISTANCES: "https://dl.fbaipublicfiles.com/densepose/data/Pdist_matrix.pkl",
    SYMMETRY: "https://dl.fbaipublicfiles.com/densepose/data/UV_symmetry_transforms.mat",
    BASE: "https://dl.fbaipublicfiles.com/densepose/densepose_uv_data.tar.gz",
}

_U_SLACK = 1e-6


def import_official_folder(
    folder: str | Path, *, cache_dir: str | Path | None = None, distance_dtype: str = "float32"
) -> BodySurface:
    """Open a folder with official files.

    SMPL_subdiv.mat and SMPL_SUBDIV_TRANSFORM.mat go together and are what scoring needs, with
    Pdist_matrix.pkl, which is opened when a distance is first asked for. UV_symmetry_transforms.mat
    adds ``symmetry``, UV_Processed.mat adds ``base_atlas``; a folder with UV_Processed.mat alone
    gives a surface of the base mesh, without distances.

    Args:
        folder: The folder.
        cache_dir: Where the converted distances go; by default mmktn's cache.
        distance_dtype: "float32" (as the file) or "float16".

    Returns:
        The surface.

    Raises:
        FileNotFoundError: A needed file is missing; the text says where it comes from.
        ValueError: A file is malformed; the text names file and field.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"official surface files: no folder {root}")
    symmetry = _read_symmetry(root / SYMMETRY) if (root / SYMMETRY).is_file() else None
    base = _read_base(root / BASE) if (root / BASE).is_file() else None
    if not (root / SUBDIV).is_file() and not (root / TRANSFORM).is_file() and base is not None:
        count = int(base.mesh_vertex.max()) + 1
        return BodySurface(
            base, count, name=f"official base mesh in {root}", symmetry=symmetry, base_atlas=base
        )
    atlas, mesh, count = _read_subdivided(root)

    def distances() -> GeodesicTable:
        _present(root / DISTANCES)
        return open_official_distances(
            root / DISTANCES, num_vertices=count, cache_dir=cache_dir, dtype=distance_dtype
        )

    return BodySurface(
        atlas,
        count,
        name=f"official files in {root}",
        official=True,
        mesh=mesh,
        symmetry=symmetry,
        geodesics=distances,
        base_atlas=base,
    )


def _present(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing; it is one of the official DensePose files: {ORIGIN[file.name]}"
        )
    return file


def _load(file: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat

        return loadmat(_present(file))
    except NotImplementedError as error:
        raise ValueError(
            f"{file}: MATLAB 7.3 (HDF5) file; save it as version 7 or take the original from "
            f"{ORIGIN[file.name]}"
        ) from error
    except FileNotFoundError:
        raise
    except Exception as error:
        # scipy raises ValueError, TypeError, OSError or zlib.error, depending on the damage
        raise ValueError(
            f"{file}: not a readable MATLAB file ({error}); original: {ORIGIN[file.name]}"
        ) from error


def _field(content: dict[str, Any], name: str, file: Path) -> NDArray[Any]:
    if name not in content:
        present = ", ".join(sorted(k for k in content if not k.startswith("__")))
        raise ValueError(
            f"{file}: field {name!r} is missing (fields: {present or 'none'}); original: "
            f"{ORIGIN[file.name]}"
        )
    return np.asarray(content[name])


def _column(content: dict[str, Any], name: str, file: Path) -> NDArray[np.float64]:
    values = _field(content, name, file)
    if values.size != max(values.shape, default=0) or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{file}: field {name!r} must be one row or column of numbers, "
            f"got {values.dtype} {values.shape}"
        )
    column = values.ravel().astype(np.float64)
    if not np.isfinite(column).all():
        raise ValueError(f"{file}: field {name!r} holds values that are not finite")
    return column


def _ids(content: dict[str, Any], name: str, file: Path) -> NDArray[np.int64]:
    """Return 1-based ids of any integer or float width as 0-based int64."""
    return _whole(_column(content, name, file), name, file) - 1


def _whole(values: NDArray[np.float64], name: str, file: Path) -> NDArray[np.int64]:
    whole = np.rint(values).astype(np.int64)
    if not np.array_equal(whole, values) or (len(whole) and whole.min() < 1):
        raise ValueError(f"{file}: field {name!r} must hold whole numbers from 1 on")
    return whole


def _coordinates(content: dict[str, Any], name: str, file: Path) -> NDArray[np.float64]:
    values = _column(content, name, file)
    if len(values) and (values.min() < -_U_SLACK or values.max() > 1 + _U_SLACK):
        raise ValueError(
            f"{file}: field {name!r} must lie in [0, 1], got {values.min()}..{values.max()}"
        )
    return values


def _same_length(file: Path, **columns: NDArray[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{file}: lengths differ: {lengths}")


def _read_subdivided(root: Path) -> tuple[ChartAtlas, SurfaceMesh | None, int]:
    """Read charts of the subdivided mesh, the closed mesh if there is one, its vertex count."""
    file = root / SUBDIV
    content = _load(file)
    charts = _whole(_column(content, "Part_ID_subdiv", file), "Part_ID_subdiv", file)
    u, v = (_coordinates(content, name, file) for name in ("U_subdiv", "V_subdiv"))
    _same_length(file, Part_ID_subdiv=charts, U_subdiv=u, V_subdiv=v)
    transform = root / TRANSFORM
    index = _ids(_load(transform), "index", transform)
    if len(index) != len(charts):
        raise ValueError(
            f"{transform}: 'index' has {len(index)} entries, {file.name} has {len(charts)} vertices"
        )
    count = int(index.max()) + 1
    faces = _subdivided_faces(content, charts, file)
    mesh = _closed_mesh(content, index, faces, count)
    try:
        atlas = ChartAtlas(
            index,
            charts,
            u=u,
            v=v,
            faces=faces,
            rest_vertices=None if mesh is None else mesh.vertices,
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return atlas, mesh, count


def _subdivided_faces(
    content: dict[str, Any], charts: NDArray[np.int64], file: Path
) -> NDArray[np.int64]:
    """Return (F, 3) faces on the duplicated vertices; none where the file's are of no use."""
    none = np.zeros((0, 3), dtype=np.int64)
    if "faces" not in content:
        return none
    stored = np.asarray(content["faces"])
    table = stored.T if stored.ndim == 2 and stored.shape[0] == 3 else stored
    if table.ndim == 2 and table.shape[1] == 3 and table.dtype.kind in "iuf":
        faces = table.astype(np.int64) - 1
        if faces.min() >= 0 and faces.max() < len(charts):
            corner = charts[faces]
            if (corner == corner[:, :1]).all():
                return faces
    warnings.warn(
        f"{file}: 'faces' {stored.shape} do not fit the charts of the vertices and are left out: "
        "scoring works, locating points on faces does not",
        stacklevel=4,
    )
    return none


def _closed_mesh(
    content: dict[str, Any], index: NDArray[np.int64], faces: NDArray[np.int64], count: int
) -> SurfaceMesh | None:
    """Return the closed mesh, or None where the file has no positions (some copies are blanked)."""
    stored = np.asarray(content.get("vertex", ()), dtype=np.float64)
    if stored.ndim == 2 and stored.shape[0] == 3:
        stored = stored.T
    if not len(faces) or stored.shape != (len(index), 3) or not np.ptp(stored, axis=0).all():
        return None
    vertices = np.zeros((count, 3))
    vertices[index] = stored
    try:
        return SurfaceMesh(vertices, index[faces])
    except ValueError:
        return None


def _read_base(file: Path) -> ChartAtlas:
    """Return the charts of the base mesh."""
    content = _load(file)
    vertex = _ids(content, "All_vertices", file)
    u, v = (_coordinates(content, name, file) for name in ("All_U_norm", "All_V_norm"))
    _same_length(file, All_vertices=vertex, All_U_norm=u, All_V_norm=v)
    table = _field(content, "All_Faces", file)
    if table.ndim != 2 or table.shape[1] != 3 or table.dtype.kind not in "iuf":
        raise ValueError(f"{file}: field 'All_Faces' must be (m, 3), got {table.shape}")
    flat = table.ravel().astype(np.float64)
    faces = _whole(flat, "All_Faces", file).reshape(-1, 3) - 1
    face_charts = _whole(_column(content, "All_FaceIndices", file), "All_FaceIndices", file)
    _same_length(file, All_Faces=faces, All_FaceIndices=face_charts)
    if faces.max() >= len(vertex):
        raise ValueError(f"{file}: 'All_Faces' names vertex {faces.max() + 1} of {len(vertex)}")
    charts = np.zeros(len(vertex), dtype=np.int64)
    charts[faces] = face_charts[:, None]
    unused = np.flatnonzero(charts == 0)
    if len(unused):
        raise ValueError(f"{file}: vertex {unused[0] + 1} belongs to no face, so to no chart")
    try:
        return ChartAtlas(vertex, charts, u=u, v=v, faces=faces, face_charts=face_charts)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _read_symmetry(file: Path) -> ChartSymmetry:
    content = _load(file)
    tables = []
    for name in ("U_transforms", "V_transforms"):
        cells = _field(content, name, file)
        if cells.dtype != object or cells.size != NUM_CHARTS:
            raise ValueError(
                f"{file}: field {name!r} must be a cell of {NUM_CHARTS} tables, "
                f"got {cells.dtype} {cells.shape}"
            )
        shapes = {np.shape(cell) for cell in cells.ravel()}
        if shapes != {(TABLE_SIZE, TABLE_SIZE)}:
            raise ValueError(
                f"{file}: tables in {name!r} must be {TABLE_SIZE} x {TABLE_SIZE}, got {shapes}"
            )
        tables.append(np.stack([np.asarray(c, dtype=np.float64) for c in cells.ravel()]))
    try:
        return ChartSymmetry(tables[0], tables[1])
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
