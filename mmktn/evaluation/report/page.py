"""The page itself: tables and pictures in one HTML file that needs no other file and no network."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmktn.evaluation.functional.ap.average_precision import Column
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.point_errors import part_errors
from mmktn.evaluation.functional.densepose.pointwise import PointwiseScores
from mmktn.evaluation.functional.densepose.scores import DensePoseScores
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.evaluation.report.body_figure import body_figure
from mmktn.evaluation.report.curve_figures import correct_points_figure, precision_recall_figure
from mmktn.evaluation.report.instance_figure import instance_figure, ranked_instances
from mmktn.evaluation.text_table import percent, reasons, split_columns
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.json_files import read_json
from mmktn.utils.output_files import write_text

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em;
       color: #222; }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; }
th, td { border-bottom: 1px solid #ddd; padding: 3px 9px; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; }
figure { margin: 0.5em 0; } figcaption { font-size: 13px; color: #555; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1em; }
ul { font-size: 13px; color: #555; }
"""
SHOWN_EACH = 4


def write_report(
    path: str | Path,
    dense: DensePoseScores | None,
    pointwise: PointwiseScores | None,
    *,
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike,
    images: Path | None = None,
) -> Path:
    """Write the report.

    Args:
        path: HTML file.
        dense: AP and AR.
        pointwise: Errors of points.
        truth: Ground truth.
        detections: Results.
        surface: Body surface.
        images: Folder with the photographs; without it the people stand on grey.

    Returns:
        The file written.

    Raises:
        ImportError: matplotlib is not installed.
        FileNotFoundError: The folder of photographs does not exist.
    """
    if images is not None and not images.is_dir():
        raise FileNotFoundError(f"images: no folder {images}")
    sections: list[str] = []
    if dense is not None:
        sections += _scores_section(dense)
    if pointwise is not None:
        sections += _points_section(pointwise, surface)
    if dense is not None:
        sections += _people_section(dense, truth, detections, surface, images)
    notes = list(dict.fromkeys([*(dense.notes if dense else []),
                                *(pointwise.notes if pointwise else [])]))  # fmt: skip
    sections += ["<h2>What was left out and why</h2>", _list(notes or ["nothing"])]
    title = f"Evaluation of {Path(detections.name).name} against {Path(truth.name).name}"
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{_text(title)}</h1>{''.join(sections)}"
        "</body></html>\n"
    )
    write_text(path, page)
    return Path(path)


def _scores_section(dense: DensePoseScores) -> list[str]:
    heads, rows = split_columns(dense.columns)
    body = [[name, *(percent(cells.get(h)) for h in heads)] for name, cells in rows.items()]
    parts = [
        f"<h2>AP and AR</h2><p>Percent, protocol '{_text(dense.protocol)}'.</p>",
        _table(["", *heads], body),
        _list(reasons(dense.columns)),
    ]
    figures = [
        _picture(
            precision_recall_figure(dense.curves, m, name),
            f"Precision over recall by threshold of {name}.",
        )
        for m, name in enumerate(dense.names)
    ]
    return [*parts, f'<div class="pair">{"".join(figures)}</div>']


def _points_section(pointwise: PointwiseScores, surface: SurfaceLike) -> list[str]:
    values: Mapping[str, Any] = {name: Column(value) for name, value in pointwise.values().items()}
    points = pointwise.points
    parts = [
        "<h2>Points</h2>",
        _table(list(values), [[percent(column) for column in values.values()]]),
        _picture(correct_points_figure(points), "Ratio of correct points by group of charts."),
    ]
    mesh = getattr(surface, "mesh", None)
    if mesh is not None and len(points.distances_m):
        caption = "Mean error on the body; grey where no annotated point is near."
        parts.append(_picture(body_figure(mesh.vertices, mesh.faces, points), caption))
    rows = [
        [name, str(int(r["points"])), *(f"{100 * r[key]:.1f}" for key in keys)]
        for keys in [("missed", "mean_m", "median_m", "AUC10", "AUC30")]
        for name, r in part_errors(points).items()
        if r["points"]
    ]
    heads = ["part", "points", "missed %", "mean cm", "median cm", "AUC10 %", "AUC30 %"]
    return [*parts, _table(heads, rows)]


def _people_section(
    dense: DensePoseScores,
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike,
    images: Path | None,
) -> list[str]:
    names: dict[int, str] = {}
    if images is not None:
        names = {
            int(i["id"]): str(i.get("file_name", ""))
            for i in read_json(truth.name, "ground truth")["images"]
        }
    ranked = ranked_instances(dense, truth)
    count = min(SHOWN_EACH, len(ranked))
    columns = []
    for title, chosen in (("Worst", ranked[:count]), ("Best", ranked[::-1][:count])):
        figures = []
        for instance in chosen:
            person = instance.person
            file = images / names.get(person.image_id, "") if images is not None else None
            seen = "no detection" if instance.det_index < 0 else f"entry {instance.det_index}"
            caption = (
                f"image {person.image_id}, annotation {person.annotation_id}: "
                f"{dense.names[0]} {instance.similarity:.3f} ({seen})"
            )
            figure = instance_figure(
                instance, truth, detections, surface, protocol=dense.protocol, photograph=file
            )
            figures.append(_picture(figure, caption))
        columns.append(f"<div><h3>{title}</h3>{''.join(figures)}</div>")
    intro = (
        "<p>Red crosses: points that show background or lie outside the box. Errors 0-30 cm.</p>"
    )
    return ["<h2>Worst and best people</h2>", intro, f'<div class="pair">{"".join(columns)}</div>']


def _picture(figure: Any, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{_text(caption)}" src="data:image/png;base64,{code}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(h)}</th>" for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>" if items else ""


def _text(value: str) -> str:
    return html.escape(value)
