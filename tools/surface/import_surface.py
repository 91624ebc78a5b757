"""Turn official DensePose files into one surface file of mmktn, distances beside it.

    python tools/surface/import_surface.py FOLDER --out smpl.npz [--distances float16|float32|none]

The folder holds SMPL_subdiv.mat and SMPL_SUBDIV_TRANSFORM.mat, and as available Pdist_matrix.pkl,
UV_symmetry_transforms.mat and UV_Processed.mat (docs/surface.md says where they come from).
"""

import argparse
from pathlib import Path

from rich.console import Console

from mmktn.surface.io import import_official_folder, save_surface
from mmktn.surface.official_distances import convert_official_distances
from mmktn.surface.official_files import DISTANCES


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the official files")
    parser.add_argument("--out", type=Path, required=True, help="surface file to write (.npz)")
    parser.add_argument(
        "--distances",
        choices=("float32", "float16", "none"),
        default="float32",
        help="type of the distance file; float16 halves it and rounds to about 1 mm",
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        surface = import_official_folder(arguments.folder)
        distances = None
        source = arguments.folder / DISTANCES
        if arguments.distances != "none" and source.is_file():
            distances = arguments.out.with_suffix(".geodesics.npy")
            with console.status(f"converting {source}"):
                count = convert_official_distances(source, distances, dtype=arguments.distances)
            if count != surface.num_mesh_vertices:
                distances.unlink()
                raise ValueError(
                    f"{source}: distances of {count} vertices, the mesh has "
                    f"{surface.num_mesh_vertices}"
                )
        save_surface(surface, arguments.out, geodesics_file=distances)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    console.print(
        f"{surface.num_mesh_vertices} vertices, {surface.atlas.num_vertices} with seams, "
        f"symmetry: {surface.symmetry is not None}, distances: {distances or 'none'}"
    )
    console.print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
