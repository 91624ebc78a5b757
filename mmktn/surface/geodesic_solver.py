"""All-pairs geodesic distances of a mesh.

Source: exact polyhedral distances (Mitchell, Mount, Papadimitriou 1987) of pygeodesic and the heat
method (Crane, Weischedel, Wardetzky 2013) of potpourri3d. The heat method is fast but some per cent
off near the source, where scores are decided; "hybrid" takes exact distances there. Both directions
of a pair are averaged, and no distance is less than the straight line.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.mesh import SurfaceMesh
from mmktn.utils.optional import require

SOLVERS = ("hybrid", "heat", "exact")
NEAR_M = 0.20
# diffusion time in squared mean edge lengths; 0.7 has the least bias on the template
HEAT_TIME = 0.7

Distances = Callable[[int], NDArray[np.float64]]


def distances_from(mesh: SurfaceMesh, solver: str) -> Distances:
    """Function source vertex -> distances (V,) in metres.

    Args:
        mesh: Connected mesh.
        solver: "hybrid" (exact up to at least 0.17 m, heat method beyond), "heat" or "exact".

    Returns:
        The function; set-up work is done here, once.

    Raises:
        ValueError: Unknown solver or unconnected mesh.
        ImportError: The solver's package is missing.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {SOLVERS}, got {solver!r}")
    _check_connected(mesh)
    if solver == "heat":
        return _heat(mesh)
    return _exact(mesh) if solver == "exact" else _hybrid(mesh)


def _heat(mesh: SurfaceMesh) -> Distances:
    vertices = np.array(mesh.vertices)
    package = require("potpourri3d", extra="mesh")
    solver = package.MeshHeatMethodDistanceSolver(vertices, np.array(mesh.faces), t_coef=HEAT_TIME)

    def solve(source: int) -> NDArray[np.float64]:
        values = np.asarray(solver.compute_distance(source), dtype=np.float64)
        values -= values[source]
        return np.maximum(values, np.linalg.norm(vertices - vertices[source], axis=1))

    return solve


def _exact_solver(mesh: SurfaceMesh) -> Callable[..., NDArray[np.float64]]:
    package = require("pygeodesic.geodesic", extra="mesh")
    solver = package.PyGeodesicAlgorithmExact(
        np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int32)
    )

    def solve(source: int, *limits: object) -> NDArray[np.float64]:
        values, _ = solver.geodesicDistances(np.array([source]), *limits)
        return np.asarray(values, dtype=np.float64)

    return solve


def _exact(mesh: SurfaceMesh) -> Distances:
    solve = _exact_solver(mesh)
    return lambda source: solve(source)


def _hybrid(mesh: SurfaceMesh) -> Distances:
    heat, exact = _heat(mesh), _exact_solver(mesh)
    graph = _edge_graph(mesh)

    def solve(source: int) -> NDArray[np.float64]:
        values = heat(source)
        from scipy.sparse.csgraph import dijkstra

        # a path along edges is never too short: these vertices are surely that near
        along_edges = dijkstra(graph, directed=False, indices=source, limit=NEAR_M)
        near = np.flatnonzero(np.isfinite(along_edges))
        values[near] = exact(source, near, 1.05 * NEAR_M)
        return values

    return solve


def _edge_graph(mesh: SurfaceMesh) -> Any:
    """Return the sparse (V, V) matrix of edge lengths."""
    from scipy.sparse import coo_array

    shape = (mesh.num_vertices, mesh.num_vertices)
    return coo_array((mesh.edge_lengths, tuple(mesh.edges.T)), shape=shape).tocsr()


def _check_connected(mesh: SurfaceMesh) -> None:
    from scipy.sparse.csgraph import connected_components

    count, _ = connected_components(_edge_graph(mesh), directed=False)
    if count != 1:
        raise ValueError(
            f"the mesh falls into {count} unconnected pieces; distances between them do not exist"
        )


def compute_condensed(
    mesh: SurfaceMesh,
    *,
    solver: str = "hybrid",
    dtype: str = "float32",
    mirror: NDArray[np.int64] | None = None,
    progress: bool = False,
) -> NDArray[np.floating]:
    """Return the distances of all pairs, condensed.

    Args:
        mesh: Connected mesh.
        solver: As in ``distances_from``.
        dtype: Type of the result.
        mirror: (V,) mirrored vertex of a symmetric mesh; halves the work.
        progress: Show a progress bar.

    Returns:
        (V (V - 1) / 2,) metres, strict lower triangle row by row.

    Raises:
        ValueError: ``mirror`` is not a symmetry of the mesh.
    """
    if mirror is not None:
        _check_mirror(mesh, mirror)
    solve = distances_from(mesh, solver)
    count = mesh.num_vertices
    condensed = np.zeros(count * (count - 1) // 2, dtype=np.float32)
    columns = np.arange(count, dtype=np.int64)
    starts = columns * (columns - 1) // 2

    def add(source: int, values: NDArray[np.float64]) -> None:
        half = (0.5 * values).astype(np.float32)
        condensed[starts[source] : starts[source] + source] += half[:source]
        condensed[starts[source + 1 :] + source] += half[source + 1 :]

    sources = columns if mirror is None else columns[columns <= mirror]
    for source in _tracked(sources.tolist(), progress):
        values = solve(source)
        add(source, values)
        if mirror is not None and mirror[source] != source:
            add(int(mirror[source]), values[mirror])
    return condensed.astype(dtype, copy=False)


def _check_mirror(mesh: SurfaceMesh, mirror: NDArray[np.int64]) -> None:
    there = mesh.vertices[mesh.edges]
    here = mesh.vertices[mirror[mesh.edges]]
    change = np.linalg.norm(here[:, 1] - here[:, 0], axis=1) - mesh.edge_lengths
    images = np.unique(np.sort(mirror[mesh.edges], axis=1), axis=0)
    if not np.array_equal(images, mesh.edges) or np.abs(change).max() > 1e-6 * np.ptp(there):
        raise ValueError("mirror is not a symmetry of the mesh: edges change place or length")


def _tracked(sources: list[int], progress: bool) -> Iterable[int]:
    if not progress:
        return sources
    from rich.progress import track

    return track(sources, description="geodesic distances")
