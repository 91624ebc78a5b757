"""All-pairs geodesic distances of a mesh.

Source: heat method of potpourri3d (one pre-factorised solve per vertex) and exact distances of
pygeodesic. Both directions of a pair are averaged; the straight line is a lower bound of every path
on the surface and replaces smaller values, which repairs the heat method close to the source.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmktn.surface.mesh import SurfaceMesh
from mmktn.utils.optional import require

SOLVERS = ("heat", "exact")


def distances_from(mesh: SurfaceMesh, solver: str) -> Callable[[int], NDArray[np.float64]]:
    """Function source vertex -> distances (V,) in metres.

    Args:
        mesh: Connected mesh.
        solver: "heat" or "exact".

    Returns:
        The function; set-up work is done here, once.

    Raises:
        ValueError: Unknown solver or unconnected mesh.
        ImportError: The solver's package is missing.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {SOLVERS}, got {solver!r}")
    _check_connected(mesh)
    vertices = np.array(mesh.vertices)
    faces = np.array(mesh.faces)
    if solver == "heat":
        heat = require("potpourri3d", extra="mesh").MeshHeatMethodDistanceSolver(vertices, faces)

        def solve(source: int) -> NDArray[np.float64]:
            values = np.asarray(heat.compute_distance(source), dtype=np.float64)
            values -= values[source]
            return np.maximum(values, np.linalg.norm(vertices - vertices[source], axis=1))

        return solve
    geodesic = require("pygeodesic.geodesic", extra="mesh")
    exact = geodesic.PyGeodesicAlgorithmExact(vertices, faces.astype(np.int32))

    def solve_exact(source: int) -> NDArray[np.float64]:
        values, _ = exact.geodesicDistances(np.array([source]))
        return np.asarray(values, dtype=np.float64)

    return solve_exact


def _check_connected(mesh: SurfaceMesh) -> None:
    ones = np.ones(len(mesh.edges))
    graph = coo_array((ones, mesh.edges.T), shape=(mesh.num_vertices, mesh.num_vertices))
    count, _ = connected_components(graph, directed=False)
    if count != 1:
        raise ValueError(
            f"the mesh falls into {count} unconnected pieces; distances between them do not exist"
        )


def compute_condensed(
    mesh: SurfaceMesh, *, solver: str = "heat", dtype: str = "float32", progress: bool = False
) -> NDArray[np.floating]:
    """Distances of all pairs, condensed.

    Args:
        mesh: Connected mesh.
        solver: "heat" or "exact".
        dtype: Type of the result.
        progress: Show a progress bar.

    Returns:
        (V (V - 1) / 2,) metres, strict lower triangle row by row.
    """
    solve = distances_from(mesh, solver)
    count = mesh.num_vertices
    condensed = np.zeros(count * (count - 1) // 2, dtype=dtype)
    columns = np.arange(count, dtype=np.int64)
    starts = columns * (columns - 1) // 2
    for source in _sources(count, progress):
        values = solve(source)
        row = condensed[starts[source] : starts[source] + source]
        row[:] = 0.5 * (row + values[:source])
        later = starts[source + 1 :] + source
        condensed[later] = values[source + 1 :]
    return condensed


def _sources(count: int, progress: bool) -> Iterator[int]:
    if not progress:
        yield from range(count)
        return
    from rich.progress import track

    yield from track(range(count), description=f"geodesic distances of {count} vertices")
