"""The meshes that continuous surface embeddings (CSE) refer to, and the files they come in.

A mesh is known by its name, `ref_model` of annotations: smpl_27554, cat_5001, ... Its files are the
user's; detectron2's DensePose has them as pickles, of which plain arrays are read and nothing is
run. The body of this package is a mesh as well, without files.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.file_cache import cache_folder
from mmktn.surface.io import load_surface
from mmktn.utils.array_files import read_arrays
from mmktn.utils.file_lock import single_writer
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.restricted_unpickler import load_plain_pickle

MESHES = "https://dl.fbaipublicfiles.com/densepose/meshes/"
CSE_DATA = "https://dl.fbaipublicfiles.com/densepose/data/cse/"
BODY = "human"


class ReferenceMesh:
    """A mesh with what CSE asks of it; each part is read when it is first asked for.

    Args:
        name: Name.
        parts: Part -> its arrays, or a function that reads them: `shape` (`vertices` (K, 3) and
            `faces` (M, 3)), `geodesics` (K, K), `mirror` (K,), `texcoords` (K, 2) and `features`
            (`features` (K, F), perhaps `embeddings` (F, D)).
        surface: The body with charts that the mesh belongs to, if any.
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, Any],
        *,
        surface: BodySurface | None = None,
    ) -> None:
        self.name = name
        self.surface = surface
        self._parts: dict[str, Any] = dict(parts)
        self._harmonics: dict[int, dict[str, NDArray[np.float32]]] = {}

    def _part(self, part: str) -> Any:
        if part not in self._parts:
            raise ValueError(f"mesh {self.name!r} has no {part}")
        value = self._parts[part]
        if callable(value):
            value = self._parts[part] = value()
        return value

    def has(self, part: str) -> bool:
        """Whether a part is known, without reading it."""
        return part in self._parts

    @property
    def vertices(self) -> NDArray[np.float64]:
        """(K, 3) positions."""
        return np.asarray(self._part("shape")["vertices"], dtype=np.float64)

    @property
    def faces(self) -> NDArray[np.int64]:
        """(M, 3) vertex ids."""
        return np.asarray(self._part("shape")["faces"]).astype(np.int64)

    @property
    def mirror(self) -> NDArray[np.int64]:
        """(K,) vertex of the mirrored body.

        Raises:
            ValueError: The mesh has no symmetry.
        """
        return np.asarray(self._part("mirror")).astype(np.int64)

    @property
    def texcoords(self) -> NDArray[np.float64]:
        """(K, 2) place in a texture, in [0, 1]."""
        return np.clip(np.asarray(self._part("texcoords"), dtype=np.float64), 0, 1)

    def features(self, count: int) -> dict[str, NDArray[np.float32]]:
        """Return the features (K, F), and `embeddings` where their file has them.

        Args:
            count: F, where there is no file of features; a file has a number of its own.
        """
        if self.has("features"):
            found = self._part("features")
        else:
            if count not in self._harmonics:
                self._harmonics[count] = _harmonics(self.vertices, self.faces, count)
            found = self._harmonics[count]
        return {name: np.asarray(values, dtype=np.float32) for name, values in found.items()}

    def geodesic_rows(self, vertices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the distances (N, K) of some vertices from all, in units of the mesh."""
        table = self._part("geodesics")
        return np.asarray(table[np.asarray(vertices)], dtype=np.float32)

    def geodesic_block(self, vertices: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Return the distances (N, N) between some vertices, or between all."""
        table = self._part("geodesics")
        if vertices is None:
            return np.asarray(table[:], dtype=np.float32)
        return np.asarray(table[vertices][:, vertices], dtype=np.float32)

    def geodesic(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the distances (N,) from vertices to vertices, inf where either is -1."""
        known = (a >= 0) & (b >= 0)
        table = self._part("geodesics")
        found = np.full(len(a), np.inf, dtype=np.float32)
        found[known] = np.asarray(table[a[known], b[known]], dtype=np.float32)
        return found

    @cached_property
    def charts(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Chart (K,) and U, V (K, 2) of each vertex; None where the mesh has no charts.

        A vertex on a seam lies on several charts; the first one is given.
        """
        if self.surface is None:
            return None
        atlas = self.surface.atlas
        vertices, first = np.unique(atlas.mesh_vertex, return_index=True)
        charts = np.zeros(self.surface.num_mesh_vertices, dtype=np.int64)
        uv = np.zeros((len(charts), 2))
        charts[vertices] = atlas.charts[first]
        uv[vertices] = np.stack([atlas.u[first], atlas.v[first]], axis=1)
        return charts, uv

    def colours(self) -> NDArray[np.float64]:
        """(K,) number in [0, 1] that colours a vertex: the square of its place along x + y + z."""
        total = self.vertices.sum(axis=1)
        return ((total - total.min()) / max(float(np.ptp(total)), 1e-12)) ** 2


class _SurfaceDistances:
    """Rows and entries of the condensed distances of a body."""

    def __init__(self, surface: BodySurface) -> None:
        self.table = surface.geodesics
        self.count = surface.num_mesh_vertices

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        if isinstance(index, tuple):
            return self.table.distance(*index).astype(np.float32)
        rows = np.arange(self.count)[index]
        return np.stack([self.table.distance(row, np.arange(self.count)) for row in rows]).astype(
            np.float32
        )


def open_mesh(name: str, folder: str | Path | None = None) -> ReferenceMesh:
    """Find the files of a mesh.

    Args:
        name: `ref_model` of annotations; the body of this package is `body_mesh_name()`.
        folder: Folder laid out like the addresses: `<name>.pkl`, `geodists/geodists_<name>.pkl`,
            `symmetry/symmetry_<name>.pkl`, `texcoords/texcoords_<name>.pkl` and
            `lbo/phi_<name>_256.pkl`; all may lie in the folder itself too.

    Returns:
        The mesh; files are read when their content is asked for.

    Raises:
        ValueError: The name is no name of a mesh.
    """
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"ref_model {name!r} is no name of a mesh (letters, digits, '_')")
    if name == body_mesh_name():
        return _body_mesh(name)
    root = None if folder is None else Path(folder)

    def reader(address: str, read: Callable[[Path], Any]) -> Callable[[], Any]:
        return lambda: read(_find(root, address, name))

    return ReferenceMesh(
        name,
        {
            "shape": reader(f"{MESHES}{name}.pkl", lambda p: _fields(p, "vertices", "faces")),
            "geodesics": reader(f"{MESHES}geodists/geodists_{name}.pkl", _square),
            "mirror": reader(
                f"{MESHES}symmetry/symmetry_{name}.pkl",
                lambda p: _permutation(p, _fields(p, "vertex_transforms")["vertex_transforms"]),
            ),
            "texcoords": reader(f"{MESHES}texcoords/texcoords_{name}.pkl", _texcoords),
            "features": reader(
                f"{CSE_DATA}lbo/phi_{name}_256.pkl",
                lambda p: _fields(p, "features", optional=("embeddings",)),
            ),
        },
    )


@cache
def body_mesh_name() -> str:
    """Name of the body of this package as a mesh: its own and the number of its vertices."""
    return f"{BODY}_{load_surface(BODY).num_mesh_vertices}"


@cache
def _body_mesh(name: str) -> ReferenceMesh:
    surface = load_surface(BODY).require("mesh", "vertex_mirror")
    mesh = surface.mesh
    assert mesh is not None
    return ReferenceMesh(
        name,
        {
            "shape": {"vertices": mesh.vertices, "faces": mesh.faces},
            "mirror": surface.vertex_mirror,
            "geodesics": lambda: _SurfaceDistances(surface),
        },
        surface=surface,
    )


class VertexMirrors(Mapping[str, NDArray[np.int64]]):
    """Name of a mesh -> its mirror table, opened when asked for.

    Args:
        folder: As in `open_mesh`.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = folder
        self._found: dict[str, NDArray[np.int64]] = {}

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        if name not in self._found:
            self._found[name] = open_mesh(name, self.folder).mirror
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def read_key_vertices(path: str | Path) -> dict[str, dict[str, int]]:
    """Read mesh_keyvertices_v0.json: mesh -> name of a place -> vertex.

    Raises:
        ValueError: Not such a file.
    """
    try:
        content = json.loads(Path(path).read_text())
        return {m: {k: int(v) for k, v in keys.items()} for m, keys in content.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no key vertices (mesh: name: vertex): {error}") from error


def _find(root: Path | None, address: str, mesh: str) -> Path:
    """Return a file by its address, in its own folder below `root` or in `root` itself.

    Raises:
        FileNotFoundError: It is not there; the text says where it comes from.
    """
    parent, name = address.rsplit("/", 2)[-2:]
    candidates = [] if root is None else [root / parent / name, root / name]
    for path in candidates:
        for found in (path, path.with_suffix(".npy"), path.with_suffix(".npz")):
            if found.is_file():
                return found
    place = f"{root} has neither {parent}/{name} nor {name}" if root else "no mesh_folder is set"
    raise FileNotFoundError(f"mesh {mesh!r}: {place}; get {address} and put it there (docs/cse.md)")


def _load(path: Path) -> Any:
    """Return the content of a pickle, .npy or .npz, arrays and containers alone.

    Raises:
        ValueError: Not such a file.
    """
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        if path.suffix == ".npz":
            return read_arrays(path, what=f"mesh {path.stem}")
        return load_plain_pickle(path)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: cannot be read as arrays: {error}") from error


def _fields(path: Path, *names: str, optional: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    content = _load(path)
    missing = [n for n in names if not isinstance(content, Mapping) or n not in content]
    if missing:
        raise ValueError(f"{path}: expected a dict with {missing[0]!r}")
    return {n: np.asarray(content[n]) for n in (*names, *optional) if n in content}


def _permutation(path: Path, values: NDArray[Any]) -> NDArray[np.int64]:
    table = values.astype(np.int64)
    if table.ndim != 1 or (len(table) and not 0 <= table.min() <= table.max() < len(table)):
        raise ValueError(f"{path}: vertex_transforms has to hold vertices 0..{len(table) - 1}")
    return table


def _texcoords(path: Path) -> NDArray[Any]:
    content = _load(path)
    values = np.asarray(content.get("texcoords") if isinstance(content, Mapping) else content)
    if values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(f"{path}: expected texcoords (K, 2), got {values.shape}")
    return values


def _square(path: Path) -> NDArray[Any]:
    """Return the distances (K, K), memory-mapped; those of a pickle are written as .npy once."""
    if path.suffix == ".npy":
        return _checked_square(path, _load(path))
    status = path.stat()
    name = f"{path.stem}_{status.st_size}_{status.st_mtime_ns}.npy"
    target = cache_folder() / "geodesics" / name
    if not target.is_file():
        with single_writer(target):
            if not target.is_file():
                content = _load(path)
                if isinstance(content, Mapping):
                    content = next(iter(content.values()), None)
                values = _checked_square(path, np.asarray(content))
                with replace_atomically(target) as handle:
                    np.save(handle, values.astype(np.float32))
    return _checked_square(target, np.load(target, mmap_mode="r", allow_pickle=False))


def _checked_square(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.dtype.kind != "f":
        raise ValueError(f"{path}: expected distances (K, K), got {values.dtype} {values.shape}")
    return values


def _harmonics(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int
) -> dict[str, NDArray[np.float32]]:
    """Return the eigenvectors (K, count) of the mesh's Laplacian, the smoothest first."""
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import eigsh

    size = len(vertices)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(size, size)).tocsr()
    graph.data[:] = 1
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = diags(1 / np.sqrt(np.maximum(degree, 1)))
    normal = diags(np.ones(size)) - root @ graph @ root
    start = np.cos(np.arange(size))
    values, found = eigsh(normal.tocsc(), k=min(count, size - 2), sigma=-1e-3, v0=start)
    order = np.argsort(values)
    features = (root @ found)[:, order] * np.sqrt(size) * np.sqrt(degree.mean())
    features *= np.where(
        features[np.abs(features).argmax(axis=0), np.arange(len(order))] < 0, -1, 1
    )
    if features.shape[1] < count:
        features = np.pad(features, ((0, 0), (0, count - features.shape[1])))
    return {"features": features.astype(np.float32)}
