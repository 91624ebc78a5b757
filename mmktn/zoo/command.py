"""`python -m mmktn models`: published weights by name, their figures, and which are here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from mmktn.utils.download import home_folder, readable_size
from mmktn.utils.user_error import one_line_errors
from mmktn.zoo.named_weights import converted_file, state_of, weights
from mmktn.zoo.table import ZooModel, config_file, find_model, zoo_models
from mmktn.zoo.trust import trusted_sha256

# Of a model's figures the first of these stands in the table.
_MAIN_FIGURES = ("GPS AP", "AP")
# Lines of a pipe or file are not wrapped at the width of some terminal.
_WIDTH_OF_FILES = 200


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn models",
        description="List published models, show single ones, fetch and convert their weights.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="show these models in full")
    parser.add_argument(
        "--fetch", action="store_true", help="bring the weights of these models here, print paths"
    )
    parser.add_argument("--json", action="store_true", help="print what is shown as JSON")
    args = parser.parse_args(argv)
    if args.fetch and not args.names:
        parser.error("--fetch needs the names of models")
    return args


def as_dict(model: ZooModel) -> dict[str, object]:
    """Return a row of the table and what there is of it here, for JSON."""
    config = config_file(model)
    return {
        **dataclasses.asdict(model),
        "config_file": None if config is None else str(config),
        "state": state_of(model),
        "weights": _path_here(model),
    }


def describe(model: ZooModel) -> list[tuple[str, str]]:
    """Return a model in full, as lines of two words."""
    config = config_file(model)
    figures = ", ".join(f"{name} {value:g}" for name, value in model.metrics.items())
    known = trusted_sha256(model)
    where = "pinned" if model.sha256 else "trusted at its first use here"
    return [
        ("name", model.name),
        ("aliases", ", ".join(name for name in model.names[1:] if name != model.address)),
        ("kind", model.kind),
        ("config", str(config) if config else f"{model.config}.py, not in this version of mmktn"),
        ("from", model.address or model.get or "part of mmktn"),
        ("file", f"{model.file_name}, {readable_size(model.bytes)}"),
        ("SHA-256", f"{known} ({where})" if known else "not known before the first use"),
        ("licence", f"{model.licence or 'none stated'} ({model.page})"),
        ("figures", f"{figures} on {model.data}" if figures else "none published"),
        ("here", _path_here(model) or state_of(model) or "no"),
    ]


def list_models() -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", overflow="fold")
    for column in ("kind", "published", "on", "licence", "here"):
        table.add_column(column)
    for model in zoo_models():
        main = next((name for name in _MAIN_FIGURES if name in model.metrics), None)
        cells = (
            *(model.name, model.kind),
            *(f"{main} {model.metrics[main]:.1f}" if main else "", model.data if main else ""),
            *(model.licence or "none stated", state_of(model)),
        )
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print(f"\nWeights are kept in {home_folder()}; docs/models.md", markup=False)


@one_line_errors("models")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = parse_args(argv)
    models = [find_model(name) for name in args.names]
    if args.fetch:
        for model in models:
            sys.stdout.write(f"{weights(model.name)}\n")
    elif args.json:
        rows = [as_dict(model) for model in models or zoo_models()]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    elif models:
        for index, model in enumerate(models):
            sys.stdout.write("\n" if index else "")
            for key, text in describe(model):
                sys.stdout.write(f"{key:<8} {text}\n")
    else:
        list_models()
    return 0


def _path_here(model: ZooModel) -> str | None:
    """Tell where the weights lie that are used; None if they are yet to be made."""
    if model.shipped_file is not None:
        return str(model.shipped_file) if model.shipped_file.is_file() else None
    known = trusted_sha256(model)
    path = None if known is None else converted_file(model, known)
    return str(path) if path is not None and path.is_file() else None
