import numpy as np
import pytest

from mmktn.surface import BodySurface, ChartAtlas, SurfaceMesh


def icosphere(level: int) -> SurfaceMesh:
    """Unit sphere of subdivided icosahedron faces."""
    g = (1 + 5**0.5) / 2
    vertices = [
        (-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g),
        (0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1),
    ]  # fmt: skip
    faces = [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4),
        (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8),
        (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
    ]  # fmt: skip
    points = [np.array(v) / np.linalg.norm(v) for v in vertices]
    for _ in range(level):
        middle: dict[tuple[int, int], int] = {}
        fresh = []
        for i, j, k in faces:
            ids = []
            for a, b in ((i, j), (j, k), (k, i)):
                key = (min(a, b), max(a, b))
                if key not in middle:
                    middle[key] = len(points)
                    point = points[a] + points[b]
                    points.append(point / np.linalg.norm(point))
                ids.append(middle[key])
            ij, jk, ki = ids
            fresh += [(i, ij, ki), (ij, j, jk), (ki, jk, k), (ij, jk, ki)]
        faces = fresh
    return SurfaceMesh(np.array(points), np.array(faces))


def two_charts() -> ChartAtlas:
    """A unit square in chart 3 and one in chart 7, two triangles each, joined along x = 1."""
    return ChartAtlas(
        [0, 1, 2, 3, 1, 4, 5, 2],
        [3, 3, 3, 3, 7, 7, 7, 7],
        u=[0, 1, 1, 0, 0, 1, 1, 0],
        v=[0, 0, 1, 1, 0, 0, 1, 1],
        faces=[[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]],
    )


@pytest.fixture
def atlas() -> ChartAtlas:
    return two_charts()


@pytest.fixture(scope="session")
def body() -> BodySurface:
    from mmktn.surface import load_surface

    return load_surface()


def is_closed_manifold(mesh):
    """Whether every edge joins exactly two faces that wind alike."""
    half = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    forward = half[:, 0] * mesh.num_vertices + half[:, 1]
    backward = half[:, 1] * mesh.num_vertices + half[:, 0]
    unique = np.unique(forward)
    return len(unique) == len(forward) and np.array_equal(unique, np.unique(backward))
