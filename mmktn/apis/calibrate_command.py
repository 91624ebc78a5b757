"""Predicted confidence of U, V against true errors along the skin, at annotated points.

    python -m mmktn calibrate CONFIG CHECKPOINT --ann ANN.json \
        --images FOLDER --out FOLDER

Persons are looked at in their annotated boxes, so that detection plays no part. The truth of
synthetic people is exact (python -m mmktn synthesize); that of other sets has the
annotators' errors in it. Written are `confidence.json` and `confidence.png`: reliability of the
predicted spread, the temperature to set as `decoder.uv_temperature`, the `min_confidence` that
then keeps pixels better than 3 cm, and similarity over coverage, by `uv_confidence` and by the
classifier's probability. docs/confidence.md says what the figures mean.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from mmktn.evaluation.functional.densepose.confidence import (
    coverage_curve,
    fit_temperature,
    least_confidence,
    rank_quality,
    reliability_curve,
)
from mmktn.evaluation.functional.densepose.distance_lookup import geodesic_distances
from mmktn.evaluation.functional.densepose.gps import PER_PART, kappas, point_similarity
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.densepose.person_points import nearest_mesh_vertex
from mmktn.structures import ChartResult
from mmktn.surface import BodySurface, load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs, replace_atomically, write_json
from mmktn.utils.user_error import UserError, one_line_errors

SHARES = tuple(round(0.1 * k, 1) for k in range(1, 11))
# dp_x, dp_y count 256 cells across the box.
GRID = 256
NAMES = ("uv_confidence", "chart_confidence")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of a model with the map sigma_2")
    parser.add_argument("checkpoint", help="its weights")
    parser.add_argument("--ann", required=True, help="DensePose-COCO annotations")
    parser.add_argument("--images", required=True, type=Path, help="folder of their pictures")
    parser.add_argument("--out", required=True, type=Path, help="folder of the two files")
    parser.add_argument("--surface", default="human", help="body that the labels refer to")
    parser.add_argument("--max-images", type=int, default=0, help="0 for all")
    parser.add_argument("--good-cm", type=float, default=3.0, help="error of a good pixel")
    parser.add_argument("--precision", type=float, default=0.9, help="share of kept that is good")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def read_points(
    person: PersonTruth, result: ChartResult, surface: BodySurface
) -> dict[str, np.ndarray]:
    """Read a result at the annotated points that it shows.

    Args:
        person: The person.
        result: What was found in the person's box, with its place in the image and the fields
            `sigma_2`, perhaps `kappa_u` and `kappa_v`, `uv_std` without a temperature, and
            `chart_confidence`.
        surface: Body.

    Returns:
        (P,) each, of the points where the result shows a chart: `distance` in metres, `chart`
        (true one), `right` (the chart is), `du`, `dv` (as far as it is right), `variance`,
        `kappa_u` and `kappa_v` (0 where the model has none), `uv_std` and `chart_confidence`.
    """
    from mmktn.models.losses.uv_likelihood import variance_of

    x, y, width, height = person.box_xywh
    rows, columns = result.hw
    column = np.floor(x + person.grid_xy[:, 0] * width / GRID).astype(int) - result.xy[0]
    row = np.floor(y + person.grid_xy[:, 1] * height / GRID).astype(int) - result.xy[1]
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    inside &= (person.charts >= 1) & (person.charts <= 24)
    at = row.clip(0, rows - 1), column.clip(0, columns - 1)
    found = result.labels.numpy()[at].astype(np.int64)
    shown = inside & (found > 0)
    at = at[0][shown], at[1][shown]
    uv, true_uv = result.uv.float().numpy()[:, at[0], at[1]].T, person.uv[shown]
    charts, found = person.charts[shown], found[shown]
    distance = geodesic_distances(
        surface.geodesics,
        nearest_mesh_vertex(surface, charts, true_uv),
        nearest_mesh_vertex(surface, found, uv.astype(np.float64)),
    )
    error = uv - true_uv
    fields = {
        name: result.fields[name].float().numpy()[at]
        if name in result.fields
        else np.zeros(len(uv))
        for name in ("uv_std", "chart_confidence", "kappa_u", "kappa_v")
    }
    fields["variance"] = variance_of(result.fields["sigma_2"].float()).numpy()[at]
    return {
        "distance": np.asarray(distance, np.float64),
        "chart": charts,
        "right": found == charts,
        "du": error[:, 0],
        "dv": error[:, 1],
    } | fields


def summary(
    points: dict[str, np.ndarray], *, good_m: float = 0.03, precision: float = 0.9
) -> dict[str, Any]:
    """Return all figures.

    Args:
        points: What `read_points` gives, of all persons.
        good_m: Error of a good pixel in metres.
        precision: Share of the kept pixels that has to be good.

    Returns:
        points, chart_right, temperature, reliability before and after it, and by the name of each
        confidence (of U, V with the temperature): rank (chance that a good pixel has more), least
        and coverage (what to keep), gps and good over the shares of `SHARES`.
    """
    right = points["right"]
    from mmktn.models.postprocess.uv_confidence import small_error_chance

    errors = np.stack([points["du"], points["dv"]], axis=1)[right]
    kappa = np.stack([points["kappa_u"], points["kappa_v"]], axis=1)[right]
    std = points["uv_std"][right]
    temperature = fit_temperature(errors, points["variance"][right], kappa)
    measured = np.sqrt((errors**2).sum(axis=1) / 2)
    # Without a point in its true chart there is no temperature to set.
    factor = 1.0 if math.isnan(temperature) else temperature
    confidences = {
        "uv_confidence": small_error_chance(
            factor * torch.from_numpy(points["uv_std"]) ** 2
        ).numpy(),
        "chart_confidence": points["chart_confidence"],
    }
    good = points["distance"] <= good_m
    gps = point_similarity(points["distance"], kappas(points["chart"], PER_PART))
    by_name: dict[str, Any] = {}
    for name in NAMES:
        values = confidences[name]
        least, coverage = least_confidence(values, good, precision=precision)
        by_name[name] = {
            "rank": rank_quality(values, good),
            "least": least,
            "coverage": coverage,
            "gps": coverage_curve(values, gps, SHARES).tolist(),
            "good": coverage_curve(values, good.astype(float), SHARES).tolist(),
        }
    return {
        "points": len(right),
        "chart_right": float(right.mean()),
        "temperature": temperature,
        "reliability": reliability_curve(std, measured).tolist(),
        "reliability_after": reliability_curve(std * np.sqrt(factor), measured).tolist(),
        "shares": list(SHARES),
        **by_name,
    }


def draw(figures: dict[str, Any], path: Path) -> None:
    """Reliability and coverage side by side as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for key, label in (("reliability", "as predicted"), ("reliability_after", "with temperature")):
        curve = np.array(figures[key])
        left.plot(curve[:, 0], curve[:, 1], "o-", label=label)
    limit = max(left.get_xlim()[1], left.get_ylim()[1])
    left.plot([0, limit], [0, limit], "k--", linewidth=1)
    left.set(xlabel="predicted spread of U, V", ylabel="measured", title="Reliability")
    for name in NAMES:
        right.plot(figures["shares"], figures[name]["gps"], "o-", label=name)
    right.set(xlabel="share of the pixels kept", ylabel="mean GPS of a point", title="Coverage")
    left.legend()
    right.legend()
    with replace_atomically(path) as handle:
        figure.savefig(handle, format="png", dpi=120)


def collect(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Predict all persons in their boxes and read the results."""
    import cv2

    from mmktn.apis import open_inferencer
    from mmktn.apis.model_loading import load_config

    surface = load_surface(args.surface)
    truth = DensePoseTruth.from_file(args.ann)
    names = {i["id"]: i["file_name"] for i in json.loads(Path(args.ann).read_text())["images"]}
    place = "roi_head" if "roi_head" in load_config(args.config).model else "head"
    decoder = f"model.{place}.densepose_head.decoder"
    # Measured is what the model says: a temperature that the config has is not applied.
    options = {f"{decoder}.chart_confidence": True, f"{decoder}.uv_temperature": 1.0}
    inferencer = open_inferencer(args.config, args.checkpoint, cfg_options=options)
    inferencer.check_confidence(0, ["confidence"])
    by_image: dict[int, list[PersonTruth]] = {}
    for person in truth.all_persons():
        if person.has_points and len(person.charts):
            by_image.setdefault(person.image_id, []).append(person)
    chosen = list(by_image.items())[: args.max_images or None]
    parts = []
    for image_id, persons in track(chosen, description="persons"):
        image = cv2.imread(str(args.images / names[image_id]))
        if image is None:
            raise UserError(f"{args.images / names[image_id]}: no picture, or not readable")
        corners = np.array([person.box_xywh for person in persons], dtype=np.float32)
        corners[:, 2:] += corners[:, :2]
        (found,) = inferencer.predict([image], boxes=[corners], channel_order="BGR")
        for person, result in zip(persons, found.densepose.cpu(), strict=True):
            if "sigma_2" not in result.fields:
                raise UserError(f"{args.config}: the model has no map sigma_2 to calibrate")
            parts.append(read_points(person, result, surface))
    if not parts or not sum(len(part["right"]) for part in parts):
        raise UserError(f"{args.ann}: no annotated point is shown by a result")
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


@one_line_errors("calibrate")
def main(argv: list[str] | None = None) -> int:
    """Measure one model."""
    args = parse_args(argv)
    files = [args.out / "confidence.json", args.out / "confidence.png"]
    claim_outputs(files, inputs=[args.config, args.checkpoint, args.ann], overwrite=args.overwrite)
    figures = summary(collect(args), good_m=args.good_cm / 100, precision=args.precision)
    write_json(files[0], figures)
    draw(figures, files[1])
    console = Console(markup=False)
    console.print(f"{figures['points']} points, {100 * figures['chart_right']:.1f} % right chart")
    console.print(f"decoder.uv_temperature={figures['temperature']:.3g}; with it:")
    for name in NAMES:
        row = figures[name]
        rank = "no pairs to rank"
        if row["rank"] == row["rank"]:
            rank = f"ranks {100 * row['rank']:.1f} % of pairs right"
        keep = "no threshold keeps enough that is good"
        if row["coverage"]:
            share = 100 * row["coverage"]
            keep = f"min_confidence {row['least']:.3f} keeps {share:.1f} % of the pixels"
        console.print(f"{name}: {rank}; {keep}", soft_wrap=True)
    return 0
