"""Build the procedural body that mmktn ships (mmktn/surface/data/procedural_body.npz).

    python tools/surface/build_surface.py --out body.npz

Needs scikit-image besides mmktn's own requirements; takes about five minutes on one core. The
result is the same on every run on one machine and library set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent))

from body_builder import regions
from body_builder.layout import FLIP_U, FLIP_V, lay_out
from body_builder.polygonise import polygonise_half
from body_builder.remesh import Remesher
from body_builder.rig import make_keypoints, make_skeleton
from body_builder.shape import body_field
from body_builder.sizing import edge_length

from mmktn.surface import BodySurface, ChartAtlas, ChartSymmetry, SurfaceMesh
from mmktn.surface.io import save_surface
from mmktn.surface.procedural import DATA_FILE
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.user_error import one_line_errors

LOW, HIGH = (0.0, -0.0313, -0.2617), (0.74, 1.74, 0.30)


def half_mesh(voxel: float, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Remeshed left half with regions.

    Args:
        voxel: Cell size of the first mesh, metres.
        rounds: Rounds of remeshing.

    Returns:
        Vertices, faces, region of each face.
    """
    vertices, faces = polygonise_half(body_field, LOW, HIGH, voxel=voxel)
    vertices, faces, labels = regions.cut_into_regions(vertices, faces)
    names = regions.REGIONS
    mesher = Remesher(
        vertices,
        faces,
        labels=labels,
        field=body_field,
        edge_length=edge_length,
        borders=regions.BORDERS,
        border_of=lambda a, b: regions.border_between(names[a], names[b]),
    )
    mesher.fix_corners()
    for number in track(range(rounds), description="remeshing"):
        mesher.improve(delaunay=number >= rounds // 2)
    return mesher.result()


def build(voxel: float, rounds: int) -> BodySurface:
    """The whole surface.

    Args:
        voxel: Cell size of the first mesh, metres.
        rounds: Rounds of remeshing.

    Returns:
        The surface with charts, mirror maps, skeleton and keypoints.
    """
    body = lay_out(*half_mesh(voxel, rounds))
    mesh = SurfaceMesh(body.vertices, body.faces)
    atlas = ChartAtlas(
        body.atlas_mesh_vertex,
        body.atlas_chart,
        u=body.atlas_uv[:, 0],
        v=body.atlas_uv[:, 1],
        faces=body.atlas_faces,
        face_charts=body.face_charts,
    )
    positions, joints = make_keypoints()
    return BodySurface(
        atlas,
        mesh.num_vertices,
        name="procedural",
        mesh=mesh,
        symmetry=ChartSymmetry.from_axis_flips(FLIP_U, FLIP_V),
        vertex_mirror=body.mirror,
        skeleton=make_skeleton(body.vertices, body.faces, body.face_charts, body.mirror),
        keypoints=positions,
        keypoint_joint=joints,
    )


@one_line_errors("build_surface")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DATA_FILE, help="file to write")
    parser.add_argument("--voxel", type=float, default=0.004, help="first mesh, metres")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of remeshing")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    claim_output(arguments.out, overwrite=arguments.overwrite)
    surface = build(arguments.voxel, arguments.rounds)
    save_surface(surface, arguments.out)
    console = Console()
    console.print(f"{surface.num_mesh_vertices} vertices, {surface.atlas.num_vertices} with seams")
    console.print(
        f"wrote {arguments.out}, {arguments.out.stat().st_size / 1e6:.2f} MB", markup=False
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
