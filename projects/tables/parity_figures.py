"""Print how far maps, losses and gradients of detectron2's models differ from the official ones.

    python -m projects.tables.parity_figures

One line for each reference file that the parity tests read (docs/checkpoints.md says where they
lie): largest difference of a map over its largest value, of a loss over itself, and, of the norms
of the gradients, the median and the largest relative difference. Differences of gradients near a
rectifier's corner are rounding (tests/test_reference_models.py).
"""

import argparse
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from mmktn.utils.user_error import one_line_errors
from tests import test_reference_confidence, test_reference_cse
from tests.test_reference_cse import CseReference
from tests.test_reference_models import (
    FILES,
    GRADIENT_FLOOR,
    Reference,
    losses_and_gradient_norms,
    with_losses,
)


def map_error(reference: Reference, training: bool) -> float:
    """Largest difference of a map, over its largest value."""
    reference.model.train(training)
    with torch.no_grad():
        stages = reference.forward()
    errors = []
    for key in reference.arrays:
        if key.startswith("out/") and key.endswith("/shape"):
            name = key.split("/")[1]
            index = torch.from_numpy(reference.arrays[f"out/{name}/index"]).long()
            theirs = torch.from_numpy(reference.arrays[f"out/{name}/value"])
            ours = stages[name].flatten()[index]
            errors.append(float((ours - theirs).abs().max() / theirs.abs().max()))
    return max(errors)


def relative(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[float]:
    """Relative differences, of numbers that are not negligible beside the largest."""
    floor = GRADIENT_FLOOR * max(abs(value) for value in theirs.values())
    return [abs(ours[n] / value - 1) for n, value in theirs.items() if abs(value) > floor]


def named(arrays: Mapping, where: str, names: str, values: str) -> dict[str, float]:
    """Numbers of a file by their names."""
    return dict(zip(arrays[where + names].tolist(), arrays[where + values].tolist(), strict=True))


def chart_figures(path: Path) -> tuple[float, float, list[float]]:
    """Errors of maps and losses, and of the norms of all gradients, of a model with charts."""
    reference, losses, norms = losses_and_gradient_norms(path)
    arrays = reference.arrays
    loss = max(relative(losses, named(arrays, "", "loss_names", "loss_values")))
    gradients = relative(norms, named(arrays, "", "grad_names", "grad_norms"))
    return max(map_error(Reference(path), each) for each in (True, False)), loss, gradients


def embedding_figures(path: Path) -> tuple[float, float, list[float]]:
    """The same of a model of embeddings, over all variants of its losses."""
    losses, gradients = [0.0], []
    for variant in CseReference(path).variants:
        reference = CseReference(path)
        where = f"loss/{variant}/"
        found = {n: float(v.detach()) for n, v in reference.losses(variant).items()}
        theirs = named(reference.arrays, where, "names", "values")
        if any(theirs.values()):
            losses += relative(found, theirs)
        norms = CseReference(path).gradient_norms(variant)
        theirs = named(reference.arrays, where, "grad_names", "grad_norms")
        for embedder in (True, False):
            part = {n: v for n, v in theirs.items() if n.startswith("embedder.") == embedder}
            if any(part.values()):
                gradients += relative(norms, part)
    return (
        max(map_error(CseReference(path), each) for each in (True, False)),
        max(losses),
        gradients,
    )


def report(paths: Iterable[Path], figures: object) -> None:
    """Print a line for each file."""
    for path in paths:
        maps, loss, gradients = figures(path)  # type: ignore[operator]
        print(
            f"{path.stem}: maps {maps:.0e}, losses {loss:.0e}, gradient norms "
            f"{statistics.median(gradients):.0e} (median), {max(gradients):.0e} (largest of "
            f"{len(gradients)})"
        )


@one_line_errors("parity_figures")
def main(argv: list[str] | None = None) -> None:
    """Print the figures of all files; there are no options."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(argv)
    torch.set_num_threads(1)
    report(with_losses([p for p in FILES if "d2_" in p.stem]), chart_figures)
    report(test_reference_confidence.FILES, chart_figures)
    report(test_reference_cse.FILES, embedding_figures)


if __name__ == "__main__":
    main()
