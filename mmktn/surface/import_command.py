"""Turn official DensePose files into one surface file of mmktn, distances beside it.

    python -m mmktn surface FOLDER --out smpl.npz [--distances float16|float32|none]

The folder holds SMPL_subdiv.mat and SMPL_SUBDIV_TRANSFORM.mat, and as available Pdist_matrix.pkl,
UV_symmetry_transforms.mat and UV_Processed.mat (docs/surface.md says where they come from).
"""

import argparse
from pathlib import Path

from rich.console import Console

from mmktn.surface.io import import_official_folder, save_surface
from mmktn.surface.official_distances import convert_official_distances
from mmktn.surface.official_files import DISTANCES
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs
from mmktn.utils.user_error import UserError, one_line_errors


@one_line_errors("surface")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the official files")
    parser.add_argument("--out", type=Path, required=True, help="surface file to write (.npz)")
    parser.add_argument(
        "--distances",
        choices=("float32", "float16", "none"),
        default="float32",
        help="type of the distance file; float16 halves it and rounds to about 1 mm",
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    source, distances = arguments.folder / DISTANCES, None
    if arguments.distances != "none" and source.is_file():
        distances = arguments.out.with_suffix(".geodesics.npy")
    claim_outputs(
        [arguments.out, *([distances] if distances else [])],
        inputs=arguments.folder.glob("*"),
        overwrite=arguments.overwrite,
    )
    console = Console()
    surface = import_official_folder(arguments.folder)
    if distances:
        with console.status("converting the distances"):
            count = convert_official_distances(source, distances, dtype=arguments.distances)
        if count != surface.num_mesh_vertices:
            distances.unlink()
            raise UserError(
                f"{source}: distances of {count} vertices, the mesh has {surface.num_mesh_vertices}"
            )
    save_surface(surface, arguments.out, geodesics_file=distances)
    console.print(
        f"{surface.num_mesh_vertices} vertices, {surface.atlas.num_vertices} with seams, "
        f"symmetry: {surface.symmetry is not None}, distances: {distances or 'none'}",
        markup=False,
    )
    console.print(f"wrote {arguments.out}", markup=False)
    return 0
