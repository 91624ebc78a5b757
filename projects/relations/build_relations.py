"""Rebuild the relation matrices of KTN v2 from Visual Genome and GloVe.

    python projects/relations/build_relations.py relationships.json glove.6B.300d.txt

Writes the arrays keypoint (17, 25), part (15, 25) and box (6, 25).
"""

import argparse
from pathlib import Path

import numpy as np
from relation_statistics import PART_EXPANSIONS, build_relation_matrices
from rich.console import Console

from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.user_error import one_line_errors


@one_line_errors("build_relations")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
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
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    inputs = [arguments.relationships, arguments.word_vectors]
    claim_output(arguments.out, inputs=inputs, overwrite=arguments.overwrite)
    console = Console()
    with console.status("reading relationships and word vectors"):
        matrices = build_relation_matrices(*inputs, part_expand=arguments.part_expand)
    with replace_atomically(arguments.out) as handle:
        np.savez_compressed(handle, **matrices)
    for name, matrix in matrices.items():
        console.print(f"{name}: {matrix.shape}, {matrix.min():.3f} to {matrix.max():.3f}")
    console.print(f"wrote {arguments.out}", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
