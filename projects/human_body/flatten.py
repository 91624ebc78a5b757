"""Flattening of a disc: Tutte's embedding, then the symmetric Dirichlet energy by SLIM.

Source: Rabinovich, Poranne, Panozzo, Sorkine-Hornung, "Scalable Locally Injective Mappings" (2017).
No triangle flips at any step, lengths are kept as well as the shape allows.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

Array = NDArray[np.float64]


def boundary_loop(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices of the rim of a disc in order.

    Raises:
        ValueError: The faces are not a disc.
    """
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    present = {tuple(e) for e in half.tolist()}
    follow = {a: b for a, b in present if (b, a) not in present}
    start = min(follow)
    loop = [start]
    while follow[loop[-1]] != start:
        loop.append(follow[loop[-1]])
    count = len(np.unique(faces))
    edges = len({tuple(sorted(e)) for e in present})
    if len(loop) != len(follow) or count - edges + len(faces) != 1:
        raise ValueError(
            f"not a disc: rim of {len(loop)} of {len(follow)} edges, Euler number "
            f"{count - edges + len(faces)}"
        )
    return np.array(loop)


def tutte(points: Array, faces: NDArray[np.int64]) -> Array:
    """Embedding with the rim on a circle; free of flips by Tutte's theorem."""
    loop = boundary_loop(faces)
    rim = points[loop]
    steps = np.linalg.norm(np.roll(rim, -1, axis=0) - rim, axis=1)
    angle = 2 * np.pi * np.concatenate([[0.0], np.cumsum(steps)[:-1]]) / steps.sum()
    uv = np.zeros((len(points), 2))
    uv[loop] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ones = np.ones(len(half))
    graph = sparse.coo_matrix((ones, half.T), shape=(len(points), len(points)))
    graph = ((graph + graph.T) > 0).astype(np.float64).tocsr()
    laplacian = (sparse.diags(np.asarray(graph.sum(axis=1)).ravel()) - graph).tocsr()
    inner = np.setdiff1d(np.arange(len(points)), loop)
    if len(inner):
        right = -(laplacian[inner][:, loop] @ uv[loop])
        uv[inner] = spsolve(laplacian[inner][:, inner].tocsc(), right)
    return uv


class Flattening:
    """Isometric frame and gradient operators of a disc.

    Args:
        points: (N, 3) metres.
        faces: (F, 3).
    """

    def __init__(self, points: Array, faces: NDArray[np.int64]) -> None:
        self.faces = faces
        corner = points[faces]
        first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        length = np.linalg.norm(first, axis=1)
        along = (first * second).sum(1) / length
        height = np.linalg.norm(np.cross(first, second), axis=1) / length
        self.area = 0.5 * length * height
        # rows: gradient of the three corner functions in the triangle's own plane
        zero = np.zeros_like(length)
        flat = np.stack(
            [np.stack([zero, zero], 1), np.stack([length, zero], 1), np.stack([along, height], 1)],
            1,
        )
        opposite = np.roll(flat, -2, axis=1) - np.roll(flat, -1, axis=1)
        self.gradient = np.stack([-opposite[..., 1], opposite[..., 0]], -1) / (
            2 * self.area[:, None, None]
        )

    def jacobians(self, uv: Array) -> Array:
        """(F, 2, 2) derivative of (u, v) by metres in each triangle."""
        return np.einsum("fki,fkj->fij", uv[self.faces], self.gradient)

    def energy(self, uv: Array) -> float:
        """Symmetric Dirichlet energy, 4 for an isometry, infinite with a flip."""
        jacobian = self.jacobians(uv)
        det = np.linalg.det(jacobian)
        if det.min() <= 0:
            return np.inf
        square = (jacobian**2).sum((1, 2))
        return float((self.area * square * (1 + 1 / det**2)).sum() / self.area.sum())

    def relax(self, uv: Array, *, rounds: int = 200, tolerance: float = 1e-7) -> Array:
        """Minimise the energy from a map without flips."""
        determinant = np.linalg.det(self.jacobians(uv))
        uv = uv / np.sqrt((determinant * self.area).sum() / self.area.sum())
        energy = self.energy(uv)
        for _ in range(rounds):
            direction = self._proxy_minimum(uv) - uv
            step = min(1.0, 0.8 * self._largest_step(uv, direction))
            while self.energy(uv + step * direction) > energy and step > 1e-10:
                step *= 0.6
            uv = uv + step * direction
            before, energy = energy, self.energy(uv)
            if before - energy < tolerance * before:
                break
        return uv - uv.mean(axis=0)

    def _proxy_minimum(self, uv: Array) -> Array:
        """Minimum of the reweighted quadratic energy of SLIM."""
        left, size, right = np.linalg.svd(self.jacobians(uv))
        rotation = left @ right
        near = np.abs(size - 1) < 1e-6
        ratio = (size - size**-3.0) / np.where(near, 1.0, size - 1)
        weight = np.sqrt(np.where(near, 4.0, ratio))
        matrix = (
            np.einsum("fik,fk,fjk->fij", left, weight, left) * np.sqrt(self.area)[:, None, None]
        )
        target = np.einsum("fij,fjk->fik", matrix, rotation)
        count, number = len(uv), len(self.faces)
        rows, columns, values = [], [], []
        for i in range(2):
            for j in range(2):
                row = (np.arange(number) * 4 + i * 2 + j)[:, None]
                for k in range(2):
                    rows.append(np.broadcast_to(row, (number, 3)))
                    columns.append(self.faces + k * count)
                    values.append(matrix[:, i, k][:, None] * self.gradient[:, :, j])
        system = sparse.coo_matrix(
            (
                np.concatenate([v.ravel() for v in values]),
                (
                    np.concatenate([r.ravel() for r in rows]),
                    np.concatenate([c.ravel() for c in columns]),
                ),
            ),
            shape=(4 * number, 2 * count),
        ).tocsr()
        normal = system.T @ system
        damping = 1e-6 * normal.diagonal().mean()
        right_side = system.T @ target.reshape(-1) + damping * uv.T.ravel()
        solution = spsolve((normal + damping * sparse.identity(2 * count)).tocsc(), right_side)
        return solution.reshape(2, count).T

    def _largest_step(self, uv: Array, direction: Array) -> float:
        """Smallest positive step at which some triangle loses its area."""
        base, move = self.jacobians(uv), self.jacobians(direction)
        a = np.linalg.det(move)
        c = np.linalg.det(base)
        b = (
            base[:, 0, 0] * move[:, 1, 1]
            + move[:, 0, 0] * base[:, 1, 1]
            - base[:, 0, 1] * move[:, 1, 0]
            - move[:, 0, 1] * base[:, 1, 0]
        )
        root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
        real = b * b - 4 * a * c >= 0
        flat = np.abs(a) < 1e-300
        safe = np.where(flat, 1.0, 2 * a)
        roots = np.stack([(-b - root) / safe, (-b + root) / safe])
        roots = np.where(flat, -c / np.where(b == 0, -1e-300, b), roots)
        roots = np.where(real & (roots > 0), roots, np.inf)
        return float(roots.min())
