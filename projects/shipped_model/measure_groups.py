"""How well does a model see people of each skin tone, age, sex, view and size?

Renders people whose traits are known, asks the model about their true boxes, and prints, for each
group, the share of body pixels with the right chart and the foreground IoU: means over persons and
their standard errors. Rendered people stand in for real ones as far as they can; a small difference
here does not show that there is none in photographs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmktn.apis import DensePoseInferencer
from mmktn.apis.picture_predictor import PicturePredictor
from mmktn.synthetic.annotate import tight_box
from mmktn.synthetic.sample import GeneratorOptions, Sample, make_sample
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors

_TORSO_BACK, _TORSO_FRONT = 1, 2
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Seen:
    """One person, and how well it was seen.

    Attributes:
        skin: Luminance of the skin's colour, 0 to 1.
        age: 0 newborn, 1/3 child, 2/3 young, 1 old.
        gender: 0 man to 1 woman.
        front: Share of front among the torso's pixels; None without any.
        height: Of the box, pixels.
        people: Persons in the picture.
        right_chart: Share of its body's pixels with the right chart.
        foreground: IoU of its body and what the model paints.
    """

    skin: float
    age: float
    gender: float
    front: float | None
    height: float
    people: int
    right_chart: float
    foreground: float


def _facing(person: Seen) -> str | None:
    if person.front is None:
        return None
    return "from behind" if person.front < 0.25 else "front" if person.front > 0.75 else "side"


GROUPS: dict[str, Callable[[Seen], str | None]] = {
    "skin": lambda p: "dark" if p.skin < 0.45 else "middle" if p.skin < 0.65 else "light",
    "age": lambda p: "child" if p.age < 0.5 else "adult" if p.age < 0.83 else "old",
    "sex": lambda p: "woman" if p.gender > 0.5 else "man",
    "view": _facing,
    "height": lambda p: "< 90" if p.height < 90 else "90-180" if p.height < 180 else ">= 180",
    "picture": lambda p: "alone" if p.people == 1 else "with others",
}
"""What persons are compared by: a name of the group each belongs to, None for no group."""


def seen_people(sample: Sample, predictor: PicturePredictor) -> Iterator[Seen]:
    """Ask the model about all people of a rendered picture."""
    labels, maps = sample.labels, sample.labels.maps
    boxes = np.array([tight_box(outline) for outline in labels.outlines()], np.float64)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    (prediction,) = predictor([sample.picture], boxes=[corners])
    if prediction.error is not None:
        raise RuntimeError(prediction.error)
    rows = zip(labels.people, labels.masks(), boxes, prediction.densepose, strict=True)
    for person, body, box, result in rows:
        painted = on_image(result.arrays().labels, result.xy, body.shape)
        torso = [int((maps.chart[body] == c).sum()) for c in (_TORSO_BACK, _TORSO_FRONT)]
        traits = person.figure.traits
        yield Seen(
            skin=float(np.dot(person.outfit.skin, _LUMINANCE)),
            age=traits["age"],
            gender=traits["gender"],
            front=torso[1] / sum(torso) if any(torso) else None,
            height=float(box[3]),
            people=len(labels.people),
            right_chart=float((painted == maps.chart)[body].mean()),
            foreground=float((body & (painted > 0)).sum() / (body | (painted > 0)).sum()),
        )


def on_image(
    labels: NDArray[np.uint8], xy: tuple[int, int], hw: tuple[int, int]
) -> NDArray[np.uint8]:
    """Labels (h, w) whose top left pixel lies at column and row `xy`, on an image (H, W)."""
    image = np.zeros(hw, np.uint8)
    (x, y), (h, w) = xy, labels.shape
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + h, hw[0]), min(x + w, hw[1])
    if bottom > top and right > left:
        image[top:bottom, left:right] = labels[top - y : bottom - y, left - x : right - x]
    return image


def compared(people: Sequence[Seen]) -> list[dict[str, Any]]:
    """Means and standard errors by group, in the order of `GROUPS`, groups by name."""
    rows = []
    for what, group_of in GROUPS.items():
        names = [group_of(person) for person in people]
        for name in sorted({name for name in names if name is not None}):
            chosen = [p for p, own in zip(people, names, strict=True) if own == name]
            row: dict[str, Any] = {"by": what, "group": name, "persons": len(chosen)}
            for key in ("right_chart", "foreground"):
                row[key], row[f"{key}_error"] = mean_and_error([getattr(p, key) for p in chosen])
            rows.append(row)
    return rows


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error, NaN of a single value."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(error)


def print_rows(rows: Iterable[dict[str, Any]], console: Console) -> None:
    """Print the table."""
    table = Table("by", "group", "persons", "right chart", "foreground IoU")
    before = None
    for row in rows:
        cells = [f"{row[k]:.3f} +- {row[f'{k}_error']:.3f}" for k in ("right_chart", "foreground")]
        by = "" if row["by"] == before else row["by"]
        table.add_row(by, row["group"], str(row["persons"]), *cells)
        before = row["by"]
    console.print(table)


@one_line_errors("measure_groups")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="as DensePoseInferencer takes it; the shipped one")
    parser.add_argument("--checkpoint", help="weights of a config")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=9998)
    parser.add_argument("--out", type=Path, help="JSON of all persons and rows")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    args = parser.parse_args(argv)
    out = None if args.out is None else claim_output(args.out, overwrite=args.overwrite)
    predictor = DensePoseInferencer(args.model, args.checkpoint)
    options = GeneratorOptions(seed=args.seed)
    people: list[Seen] = []
    for index in track(range(args.pictures), "pictures", console=Console(stderr=True)):
        people += seen_people(make_sample(options, "val", index), predictor)
    rows = compared(people)
    print_rows(rows, Console())
    if out is not None:
        write_json(out, {"people": [asdict(person) for person in people], "rows": rows}, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
