"""Rebuild the relation matrices of KTN v2 from Visual Genome and GloVe.

    python tools/surface/build_relations.py relationships.json glove.6B.300d.txt --out relations.npz

Writes the arrays keypoint (17, 25), part (15, 25) and box (6, 25).
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from mmktn.surface.relation_statistics import PART_EXPANSIONS, build_relation_matrices
from mmktn.utils.output_files import replace_atomically


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("relationships", type=Path, help="relationships.json of Visual Genome")
    parser.add_argument("word_vectors", type=Path, help="text file of GloVe vectors")
    parser.add_argument("--out", type=Path, default=Path("relations.npz"), help="file to write")
    parser.add_argument(
        "--part-expand",
        choices=PART_EXPANSIONS,
        default="both",
        help="official: fill leg and arm rows on one side only, as the published files",
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        with console.status("reading relationships and word vectors"):
            matrices = build_relation_matrices(
                arguments.relationships, arguments.word_vectors, part_expand=arguments.part_expand
            )
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    with replace_atomically(arguments.out) as handle:
        np.savez_compressed(handle, **matrices)
    for name, matrix in matrices.items():
        console.print(f"{name}: {matrix.shape}, {matrix.min():.3f} to {matrix.max():.3f}")
    console.print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
