"""A body that is no human: a ring with four charts of its own, two left and two right."""

import numpy as np

from mmktn.surface import BodySurface, SurfaceMesh
from mmktn.surface.atlas import ChartAtlas

PARTS = {
    "subject": "ring",
    "parts": [
        {"name": "upper left", "charts": [1], "mirror": "upper right"},
        {"name": "upper right", "charts": [2], "mirror": "upper left"},
        {"name": "lower right", "charts": [3], "mirror": "lower left"},
        {"name": "lower left", "charts": [4], "mirror": "lower right"},
    ],
    "keypoints": ["left_end", "right_end"],
}


def ring_doll(around: int = 32, across: int = 12) -> BodySurface:
    """A torus that stands upright: 0.8 m wide, its tube 0.24 m thick, left at +x, front at +z.

    Args:
        around: Vertices along the ring, a multiple of 4.
        across: Vertices round the tube.

    Returns:
        The surface, with mirror map and two keypoints. Chart k covers the quarter of the ring that
        begins at (k - 1) quarter turns from +x; U runs along the ring, V round the tube.
    """
    angle = 2 * np.pi * np.arange(around) / around
    turn = 2 * np.pi * np.arange(across) / across
    a, t = np.meshgrid(angle, turn, indexing="ij")
    radius = 0.28 + 0.12 * np.cos(t)
    places = np.stack([radius * np.cos(a), radius * np.sin(a), 0.12 * np.sin(t)], axis=-1)

    def vertex(i: int, j: int) -> int:
        return (i % around) * across + j % across

    quarter = around // 4
    mesh_vertex, charts, u, v, faces, mesh_faces = [], [], [], [], [], []
    for chart in range(4):
        first = len(mesh_vertex)
        for i in range(quarter + 1):
            for j in range(across + 1):
                mesh_vertex.append(vertex(chart * quarter + i, j))
                charts.append(chart + 1)
                u.append(i / quarter)
                v.append(j / across)
        for i in range(quarter):
            for j in range(across):
                corner = first + i * (across + 1) + j
                square = [corner, corner + across + 1, corner + across + 2, corner + 1]
                # Diagonals lean the other way on the right: the mesh is its own mirror image.
                left = chart in (0, 3)
                halves = ([0, 1, 2], [0, 2, 3]) if left else ([0, 1, 3], [1, 2, 3])
                for triangle in halves:
                    faces.append([square[k] for k in triangle])
                    mesh_faces.append([mesh_vertex[square[k]] for k in triangle])
    mesh = SurfaceMesh(places.reshape(-1, 3), mesh_faces)
    atlas = ChartAtlas(mesh_vertex, charts, u=u, v=v, faces=faces, rest_vertices=mesh.vertices)
    mirror = [vertex(around // 2 - i, j) for i in range(around) for j in range(across)]
    ends = {"left_end": np.array([0.4, 0, 0]), "right_end": np.array([-0.4, 0, 0])}
    return BodySurface(
        atlas,
        mesh.num_vertices,
        name="ring",
        mesh=mesh,
        vertex_mirror=np.array(mirror),
        keypoints=ends,
    )
