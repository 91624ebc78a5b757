"""Score a result file against its annotations in one call."""

from collections.abc import Sequence
from pathlib import Path

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS
from mmktn.evaluation.functional.densepose.scores import DensePoseScores, evaluate_densepose
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.formats.result_files import read_results
from mmktn.surface import load_surface


def evaluate(
    annotations: str | Path,
    results: str | Path,
    *,
    surface: str | Path | SurfaceLike = "human",
    metrics: Sequence[str] = METRICS,
    protocol: str = "official",
) -> DensePoseScores:
    """Score dense-pose results.

    Args:
        annotations: DensePose-COCO JSON file.
        results: Official result JSON, or .npz.
        surface: A surface, or what `load_surface` takes: a name, an .npz, the folder with the
            official files. GPS and GPSm measure distances along it.
        metrics: Some of "gps", "gpsm", "iou".
        protocol: "official", or "clean" (docs/evaluation.md).

    Returns:
        Scores; `scores.values()["gps/AP"]` is a fraction.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is unusable; the message names file, entry and field.
    """
    truth = DensePoseTruth.from_file(annotations)
    body = load_surface(surface) if isinstance(surface, str | Path) else surface
    return evaluate_densepose(
        truth, read_results(results), body, metrics=metrics, protocol=protocol
    )
