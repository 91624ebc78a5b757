"""Isotropic remeshing of a labelled half body: split, collapse, flip, relax.

Source: Botsch, Kobbelt, "A remeshing approach to multiresolution modeling" (2004).

Borders between labels and the open rim stay sharp lines; every vertex stays on the implicit
surface.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_LONG, _SHORT = 4 / 3, 4 / 5


class Remesher:
    """Triangle mesh that is rebuilt towards given edge lengths.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        labels: (F,) region of each face; edges between regions are border lines.
        field: The surface is its zero level.
        edge_length: (N, 3) -> (N,) wanted edge length.
        borders: Functions that vanish on the border lines; index 0 is the rim.
        border_of: (label, label) -> index of the function of that border.
    """

    def __init__(
        self,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        *,
        labels: NDArray[np.int64],
        field: Function,
        edge_length: Function,
        borders: Sequence[Function],
        border_of: Callable[[int, int], int],
    ) -> None:
        self.points = list(vertices)
        self.faces: list[list[int] | None] = [list(map(int, f)) for f in faces]
        self.labels = [int(x) for x in labels]
        self.field, self.edge_length = field, edge_length
        self.borders, self.border_of = borders, border_of
        self.around: list[set[int]] = [set() for _ in vertices]
        for index, face in enumerate(self.faces):
            for vertex in face or ():
                self.around[vertex].add(index)
        self.target = list(edge_length(vertices))

    def improve(self, *, delaunay: bool) -> None:
        """One round: split, collapse, flip, relax."""
        self.split_long()
        self.collapse_short()
        self.flip_edges(delaunay=delaunay)
        for _ in range(2):
            self.relax()

    # ------------------------------------------------------------------ topology queries

    def edge_faces(self, a: int, b: int) -> list[int]:
        """Faces that hold both vertices."""
        return sorted(self.around[a] & self.around[b])

    def neighbours(self, a: int) -> set[int]:
        """Vertices joined to a by an edge."""
        found: set[int] = set()
        for index in self.around[a]:
            found.update(self.faces[index] or ())
        found.discard(a)
        return found

    def border_kind(self, a: int, b: int) -> int:
        """Border function of an edge, -1 for an inner edge."""
        sides = self.edge_faces(a, b)
        if len(sides) == 1:
            return 0
        first, second = self.labels[sides[0]], self.labels[sides[1]]
        return -1 if first == second else self.border_of(first, second)

    def border_edges(self, a: int) -> list[tuple[int, int]]:
        """(neighbour, border function) of the border lines at a vertex."""
        if len({self.labels[f] for f in self.around[a]}) == 1 and not self.on_rim(a):
            return []
        pairs = ((b, self.border_kind(a, b)) for b in sorted(self.neighbours(a)))
        return [pair for pair in pairs if pair[1] >= 0]

    def on_rim(self, a: int) -> bool:
        """Whether the vertex lies on the open rim."""
        return len(self.neighbours(a)) != len(self.around[a])

    def edges(self) -> list[tuple[int, int]]:
        """All edges, smaller vertex first."""
        found = set()
        for face in self.faces:
            if face is not None:
                i, j, k = face
                found.update(
                    ((min(i, j), max(i, j)), (min(j, k), max(j, k)), (min(k, i), max(k, i)))
                )
        return sorted(found)

    def length(self, a: int, b: int) -> float:
        """Edge length over the wanted length."""
        d = self.points[a] - self.points[b]
        return float(np.sqrt(d @ d)) / (0.5 * (self.target[a] + self.target[b]))

    # ------------------------------------------------------------------ steps

    def split_long(self) -> None:
        """Halve edges that are too long, the longest first, until none is left."""
        todo = [(self.length(a, b), a, b) for a, b in self.edges()]
        todo = sorted((t for t in todo if t[0] > _LONG), reverse=True)
        fresh: list[int] = []
        for _, a, b in todo:
            sides = self.edge_faces(a, b)
            if sides and self.length(a, b) > _LONG:
                fresh.append(self._split(a, b, sides))
        self.project(fresh)
        for vertex in fresh:
            self.target[vertex] = float(self.edge_length(self.points[vertex][None])[0])

    def _split(self, a: int, b: int, sides: list[int]) -> int:
        new = len(self.points)
        self.points.append(0.5 * (self.points[a] + self.points[b]))
        self.target.append(0.5 * (self.target[a] + self.target[b]))
        self.around.append(set())
        for index in sides:
            face = self.faces[index] or []
            other = [new if v == a else v for v in face]
            self.faces[index] = [new if v == b else v for v in face]
            self.around[b].discard(index)
            self.around[new].add(index)
            twin = len(self.faces)
            self.faces.append(other)
            self.labels.append(self.labels[index])
            for v in other:
                self.around[v].add(twin)
        return new

    def collapse_short(self) -> None:
        """Remove edges that are too short, the shortest first."""
        todo = [(self.length(a, b), a, b) for a, b in self.edges()]
        for _, a, b in sorted(t for t in todo if t[0] < _SHORT):
            if not self.edge_faces(a, b) or self.length(a, b) >= _SHORT:
                continue
            if not self._collapse(a, b):
                self._collapse(b, a)

    def _collapse(self, gone: int, kept: int) -> bool:
        """Move vertex ``gone`` onto ``kept`` if shape and borders allow it."""
        sides = self.edge_faces(gone, kept)
        moved = sorted(self.around[gone] - set(sides))
        if not self._borders_allow(gone, kept) or not self._links_allow(gone, kept, sides):
            return False
        if not self._shape_allows(gone, kept, moved):
            return False
        for index in sides:
            for v in self.faces[index] or ():
                self.around[v].discard(index)
            self.faces[index] = None
        for index in moved:
            self.faces[index] = [kept if v == gone else v for v in self.faces[index] or []]
            self.around[kept].add(index)
        self.around[gone] = set()
        return True

    def _borders_allow(self, gone: int, kept: int) -> bool:
        """A vertex on a border line may only move along that line, a corner not at all."""
        lines = self.border_edges(gone)
        if not lines:
            return not self._would_bridge(gone, kept)
        if len(lines) != 2 or kept not in (lines[0][0], lines[1][0]):
            return False
        return lines[0][1] == lines[1][1]

    def _links_allow(self, gone: int, kept: int, sides: list[int]) -> bool:
        """The mesh stays a manifold and no inner vertex is left with two faces."""
        common = self.neighbours(gone) & self.neighbours(kept)
        if len(common) != len(sides) or len(self.around[gone]) <= len(sides):
            return False
        if len(self.around[kept]) + len(self.around[gone]) - 2 * len(sides) < 3:
            return False
        return all(len(self.around[v]) > 3 or self.on_rim(v) for v in common)

    def _shape_allows(self, gone: int, kept: int, moved: list[int]) -> bool:
        """No face turns by more than 60 degrees, vanishes or gets too long."""
        for index in moved:
            face = self.faces[index] or []
            old = self._normal(face)
            new = self._normal([kept if v == gone else v for v in face])
            area = float(new @ new)
            if area < 1e-18 or float(new @ old) < 0.5 * np.sqrt(area * float(old @ old)):
                return False
        return all(self.length(kept, v) <= _LONG for v in self.neighbours(gone) - {kept})

    def _would_bridge(self, gone: int, kept: int) -> bool:
        """Whether a face would come to join border lines of two kinds across a chart."""
        if not self.border_edges(kept):
            return False
        for index in self.around[gone] - self.around[kept]:
            rest = [v for v in self.faces[index] or () if v != gone]
            if all(self.border_edges(v) for v in rest) and self.border_kind(*rest) < 0:
                return True
        return False

    def _normal(self, face: Sequence[int]) -> NDArray[np.float64]:
        p, q, r = (self.points[v] for v in face)
        a, b = q - p, r - p
        return np.array(
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        )

    def flip_edges(self, *, delaunay: bool) -> None:
        """Turn inner edges towards six neighbours a vertex, or towards the Delaunay condition."""
        for a, b in self.edges():
            sides = self.edge_faces(a, b)
            if len(sides) != 2 or self.labels[sides[0]] != self.labels[sides[1]]:
                continue
            c, d = (next(v for v in self.faces[s] or () if v not in (a, b)) for s in sides)
            if self.edge_faces(c, d) or c == d:
                continue
            if (self._delaunay_gain if delaunay else self._valence_gain)(a, b, c, d) <= 1e-6:
                continue
            if (self.faces[sides[0]] or []).index(b) != (
                (self.faces[sides[0]] or []).index(a) + 1
            ) % 3:
                c, d = d, c
                sides = sides[::-1]
            fresh = [a, d, c], [b, c, d]
            old = self._normal(self.faces[sides[0]] or []) + self._normal(
                self.faces[sides[1]] or []
            )
            if min(self._agree(f, old) for f in fresh) < 0.5:
                continue
            for v in (a, b):
                self.around[v] -= set(sides)
            for index, face in zip(sides, fresh, strict=True):
                for v in self.faces[index] or ():
                    self.around[v].discard(index)
                self.faces[index] = list(face)
            for index in sides:
                for v in self.faces[index] or ():
                    self.around[v].add(index)

    def _agree(self, face: Sequence[int], direction: NDArray[np.float64]) -> float:
        normal = self._normal(face)
        size = np.sqrt(float(normal @ normal) * float(direction @ direction))
        return float(normal @ direction) / size if size > 1e-18 else -1.0

    def _valence_gain(self, a: int, b: int, c: int, d: int) -> float:
        def miss(v: int, change: int) -> int:
            rim = self.on_rim(v)
            return abs(len(self.neighbours(v)) + change - (4 if rim else 6))

        before = sum(miss(v, 0) for v in (a, b, c, d))
        return before - miss(a, -1) - miss(b, -1) - miss(c, 1) - miss(d, 1)

    def _delaunay_gain(self, a: int, b: int, c: int, d: int) -> float:
        return self._angle(c, a, b) + self._angle(d, a, b) - np.pi

    def _angle(self, apex: int, a: int, b: int) -> float:
        p, q = self.points[a] - self.points[apex], self.points[b] - self.points[apex]
        cosine = float(p @ q) / np.sqrt(float(p @ p) * float(q @ q))
        return float(np.arccos(np.clip(cosine, -1, 1)))

    # ------------------------------------------------------------------ positions

    def relax(self) -> None:
        """Move vertices along the surface towards the middle of their neighbours."""
        moved, position = [], []
        for vertex, faces in enumerate(self.around):
            if not faces:
                continue
            lines = self.border_edges(vertex)
            if not lines:
                goal = self._weighted_middle(faces)
            elif len(lines) == 2 and lines[0][1] == lines[1][1]:
                goal = 0.5 * (self.points[lines[0][0]] + self.points[lines[1][0]])
            else:
                continue
            moved.append(vertex)
            position.append(0.4 * self.points[vertex] + 0.6 * goal)
        before = {v: self.points[v] for v in moved}
        for vertex, goal in zip(moved, position, strict=True):
            self.points[vertex] = goal
        self.project(moved)
        for vertex in self._vertices_of_bad_faces():
            if vertex in before:
                self.points[vertex] = before[vertex]
        lengths = self.edge_length(np.array([self.points[v] for v in moved]))
        for vertex, value in zip(moved, lengths, strict=True):
            self.target[vertex] = float(value)

    def _weighted_middle(self, faces: set[int]) -> NDArray[np.float64]:
        total, weight = np.zeros(3), 0.0
        for index in sorted(faces):
            corners = self.faces[index] or []
            normal = self._normal(corners)
            size = np.mean([self.target[v] for v in corners])
            w = float(np.sqrt(normal @ normal)) / size**2
            total += w * sum(self.points[v] for v in corners) / 3
            weight += w
        return total / max(weight, 1e-30)

    def _vertices_of_bad_faces(self) -> set[int]:
        found: set[int] = set()
        gradient = self._gradient(self.field, np.array(self.points))
        for face in self.faces:
            if face is not None and self._agree(face, sum(gradient[v] for v in face)) < 0.3:
                found.update(face)
        return found

    def fix_corners(self) -> None:
        """Bring the points where border lines meet onto all of them."""
        self.project([v for v, faces in enumerate(self.around) if faces])

    def project(self, vertices: Sequence[int], steps: int = 6) -> None:
        """Newton steps onto the surface and onto the border lines of each vertex."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for vertex in vertices:
            kinds = tuple(sorted({kind for _, kind in self.border_edges(vertex)}))
            groups.setdefault(kinds, []).append(vertex)
        for kinds, members in groups.items():
            points = np.array([self.points[v] for v in members])
            functions = [self.field, *(self.borders[k] for k in kinds)]
            for _ in range(steps):
                values = np.stack([f(points) for f in functions], axis=1)
                slopes = np.stack([self._gradient(f, points) for f in functions], axis=1)
                step = np.einsum("nij,nj->ni", np.linalg.pinv(slopes, rcond=1e-4), values)
                size = np.linalg.norm(step, axis=1, keepdims=True)
                points = points - step * np.minimum(1.0, 0.004 / np.maximum(size, 1e-12))
            if 0 in kinds:
                points[:, 0] = 0.0
            for vertex, point in zip(members, points, strict=True):
                self.points[vertex] = point

    @staticmethod
    def _gradient(function: Function, points: NDArray[np.float64]) -> NDArray[np.float64]:
        step = 1e-5
        offsets = np.eye(3) * step
        return np.stack(
            [(function(points + o) - function(points - o)) / (2 * step) for o in offsets], axis=1
        )

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Vertices, faces and labels without the removed ones."""
        alive = [i for i, face in enumerate(self.faces) if face is not None]
        faces = np.array([self.faces[i] for i in alive])
        used, compact = np.unique(faces, return_inverse=True)
        labels = np.array([self.labels[i] for i in alive])
        return np.array(self.points)[used], compact.reshape(-1, 3), labels
