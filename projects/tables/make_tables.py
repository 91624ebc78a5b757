"""Write the tables of config READMEs and of docs/results.md, between the two marker lines.

Usage: python projects/tables/make_tables.py [--check]
--check writes nothing and exits 1 if a table is out of date. Figures of the papers come from the
metafiles, those on synthetic people from docs/results/densepose_ablation_synthetic.json.
"""

import argparse
import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import yaml

from mmktn.utils.output_files import write_text
from mmktn.utils.user_error import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
ABLATION = ROOT / "docs/results/densepose_ablation_synthetic.json"
RESULTS = ROOT / "docs/results.md"
FAMILIES = ("densepose", "cascade", "fcn", "distill", "systems", "topdown", "tasks")
ABLATION_COLUMNS = (
    "densepose/gps/AP",
    "densepose/gps/AP50",
    "densepose/gpsm/AP",
    "pointwise/AUC10",
    "pointwise/AUC30",
)
# Tasks of their own: what their figure is called.
TASK_METRICS = {
    "body_mask/AP": "mask AP",
    "parts/mIoU": "parts mIoU",
    "keypoints/oks/AP": "OKS AP",
}
START, END = "<!-- table: made by projects/tables/make_tables.py -->", "<!-- end of table -->"


def table_of(metafile: Path) -> str:
    """Make the Markdown table: config, paper figure, its source, our figure."""
    lines = [
        "| config | GPS AP in the source | source | ours on DensePose-COCO |",
        "| --- | --- | --- | --- |",
    ]
    for model in yaml.safe_load(metafile.read_text())["Models"]:
        meta = model["Metadata"]
        ours = [r["Metrics"].get("GPS AP") for r in model["Results"] or []]
        name = Path(model["Config"]).name
        lines.append(
            f"| [{model['Name']}]({name}) | {meta['Paper GPS AP']} | {meta['Paper Source']} "
            f"| {ours[0] if ours else 'not run'} |"
        )
    return "\n".join(lines)


def synthetic_twin(config: Path) -> Path | None:
    """Find the CPU-size form of a config on synthetic people by its name."""
    name = re.sub(r"_r(50|101)_", "_r18_", config.stem).replace("_hrnet-w32_", "_hrnet-w16n_")
    name = re.sub(r"_(s1x|\d+k|\d+xb\d+-\d+e)_(dp-coco|coco-kpt).*$", "_cpu_dp-synth", name)
    # A base that stands in another family's table, too, has its twin there.
    twin = next((ROOT / "configs").rglob(f"{name}.py"), None)
    return twin if twin != config else None


def synthetic_figure(twin: Path, runs: list[dict]) -> str:
    """GPS AP and AUC30, or a task's own metric, of a twin's longest runs in percent."""
    own = [
        run
        for run in runs
        if run["config"] == twin.stem and not run.get("start") and not run.get("options")
    ]
    if not own:
        return "not run"
    longest = max(run["iterations"] for run in own)
    found = [run["metrics"] for run in own if run["iterations"] == longest]
    for key, name in TASK_METRICS.items():
        if key in found[0]:
            return f"{name} {spread([100 * metrics[key] for metrics in found])} ({longest} it.)"
    keys = ("densepose/gps/AP", "pointwise/AUC30")
    figures = " / ".join(cell(found, key) for key in keys)
    return f"{figures} ({longest} it.)"


def systems_table() -> str:
    """Make the table of all systems: paper figure, ours, and that of the synthetic twin."""
    runs = json.loads(ABLATION.read_text())["results"] if ABLATION.is_file() else []
    lines = [
        "| config | paper: GPS AP | paper: AUC10 / AUC30 | ours on DensePose-COCO "
        "| twin on synthetic people: GPS AP / AUC30 |",
        "| --- | --- | --- | --- | --- |",
    ]
    shown: set[Path] = set()
    for family in FAMILIES:
        metafile = ROOT / "configs" / family / "metafile.yml"
        for model in yaml.safe_load(metafile.read_text())["Models"]:
            meta, config = model["Metadata"], ROOT / model["Config"]
            areas = [meta.get(f"Paper AUC{radius}") for radius in (10, 30)]
            pointwise = " / ".join(f"{100 * a:.1f}" for a in areas) if all(areas) else "-"
            twin = synthetic_twin(config)
            if twin is None:
                figure = "no twin"
            else:
                # One twin may stand for several depths and sizes.
                figure = "same twin" if twin in shown else synthetic_figure(twin, runs)
                shown.add(twin)
            ours = [r["Metrics"].get("GPS AP") for r in model["Results"] or []]
            lines.append(
                f"| [{model['Name']}](../{model['Config']}) | {meta['Paper GPS AP']} | {pointwise} "
                f"| {ours[0] if ours else 'not run'} | {figure} |"
            )
    return "\n".join(lines)


def ablation_table() -> str:
    """Make the table of the ablation's arms: mean and sample deviation over seeds, percent."""
    runs = json.loads(ABLATION.read_text())["results"] if ABLATION.is_file() else []
    runs = [run for run in runs if "pointwise/AUC30" in run["metrics"]]
    lines = [
        "| arm | iterations | GPS AP | AP50 | GPSm AP | AUC10 | AUC30 | gain in AUC30 | parameters "
        "| CPU ms per iteration | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found, gain in arms(runs, "pointwise/AUC30"):
        cells = [cell([run["metrics"] for run in found], key) for key in ABLATION_COLUMNS]
        lines.append(
            f"| {found[0]['arm']} | {found[0]['iterations']} | {' | '.join(cells)} | {gain} "
            f"| {cost(found)} |"
        )
    return "\n".join(lines)


def tasks_table() -> str:
    """Make the table of the tasks in their own right, with and without MID."""
    runs = json.loads(ABLATION.read_text())["results"] if ABLATION.is_file() else []
    lines = [
        "| task | iterations | metric | figure | gain | parameters | CPU ms per iteration "
        "| peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, name in TASK_METRICS.items():
        for found, gain in arms([run for run in runs if key in run["metrics"]], key):
            lines.append(
                f"| {found[0]['arm']} | {found[0]['iterations']} | {name} "
                f"| {cell([run['metrics'] for run in found], key)} | {gain} | {cost(found)} |"
            )
    return "\n".join(lines)


def arms(runs: list[dict], key: str) -> Iterator[tuple[list[dict], str]]:
    """Give the runs of each length and arm, and their gain in ``key`` over the base's seeds."""
    for iterations, arm in dict.fromkeys((run["iterations"], run["arm"]) for run in runs):
        same = [run for run in runs if run["iterations"] == iterations]
        found = [run for run in same if run["arm"] == arm]
        base = {r["seed"]: r["metrics"] for r in same if r["arm"] == found[0]["base"]}
        gains = [
            100 * (run["metrics"][key] - base[run["seed"]][key])
            for run in found
            if run["seed"] in base
        ]
        yield found, f"{spread(gains)} on {found[0]['base']}" if gains else "-"


def cost(found: list[dict]) -> str:
    """Cells of parameters, time and memory."""
    speed = statistics.mean(1000 * r["train_cpu_seconds"] / r["iterations"] for r in found)
    memory = statistics.mean(run["train_peak_mb"] for run in found)
    return f"{found[0]['parameters'] / 1e6:.2f} M | {speed:.0f} | {memory:.0f}"


def cell(found: list[dict], key: str) -> str:
    """Mean and deviation of a metric in percent, or a dash where it is not measured."""
    return spread([100 * metrics[key] for metrics in found]) if key in found[0] else "-"


def spread(values: list[float]) -> str:
    """Mean and sample deviation."""
    deviation = f" +- {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def renewed(page: Path) -> str:
    """Give the page's text with fresh tables."""
    tables = (
        [systems_table(), ablation_table(), tasks_table()]
        if page == RESULTS
        else [table_of(page.with_name("metafile.yml"))]
    )
    text, *rest = page.read_text().split(START)
    for table, part in zip(tables, rest, strict=True):
        text += f"{START}\n{table}\n{END}{part.split(END)[1]}"
    return text


@one_line_errors("make_tables")
def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args(argv)
    stale = []
    for page in [*(ROOT / "configs").rglob("README.md"), RESULTS]:
        if START in page.read_text() and renewed(page) != page.read_text():
            stale.append(page)
            if not args.check:
                write_text(page, renewed(page))
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'out of date' if args.check else 'written'}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
