"""Convert a checkpoint of detectron2 DensePose or KTN to mmktn, detector included.

Usage: python -m mmktn convert IN OUT.pth [--config CONFIG]

IN is a .pkl of the model zoo or a .pth of a training run; nothing in it is executed. Every name of
it is translated, or named with the reason why it has no place. Without --config the shipped config
that fits is searched; a checkpoint that fits none, incomplete ones included, is refused.
docs/checkpoints.md says what is mapped and what was verified.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

import mmktn
from mmktn.utils.config_path import config_folders
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_text
from mmktn.utils.partial_download import sha256_of
from mmktn.utils.user_error import UserError, one_line_errors

if TYPE_CHECKING:
    import torch
    from mmengine.config import Config

    from mmktn.checkpoints import DetectorConversion

# Parts of a detector, most specific first.
PARTS = ("roi_head.densepose_head", "roi_head.densepose_neck", "roi_head.bbox_head", "rpn_head")


class Outcome(NamedTuple):
    """What there is to report.

    Attributes:
        conversion: The weights and the account of every official name.
        config: Config whose model they fill; None where no shipped one does.
        config_name: Its name, and what was adapted.
        unfilled: Names of the model that the checkpoint need not have.
    """

    conversion: DetectorConversion
    config: Config | None
    config_name: str
    unfilled: list[str]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="official checkpoint, .pkl or .pth")
    parser.add_argument("target", type=Path, help="checkpoint to write")
    parser.add_argument("--config", help="config whose model the weights have to fill")
    parser.add_argument(
        "--out-config",
        type=Path,
        help="also write the config that fits, with the widths of the checkpoint, to this .py file",
    )
    parser.add_argument(
        "--drop",
        nargs="+",
        default=[],
        metavar="REGEX",
        type=pattern,
        help="official names to leave out, e.g. 'roi_heads.mask_head.*'",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="write the weights though no shipped config fits them, for a config of your own",
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def pattern(text: str) -> str:
    """Check a regular expression of the command line."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def convert(
    source: Path,
    *,
    config: str | None = None,
    drop: list[str] | None = None,
    unchecked: bool = False,
) -> Outcome:
    """Read, translate and check one checkpoint.

    Args:
        source: Official checkpoint.
        config: Config to check against; None searches the shipped ones.
        drop: Regular expressions of official names to leave out.
        unchecked: Accept a checkpoint that no shipped config fits.

    Returns:
        The outcome.

    Raises:
        FileNotFoundError: No such checkpoint or config.
        ValueError: Unreadable, not convertible, or not the checkpoint of this config.
    """
    # Behind the command line: they bring torch.
    from mmktn import checkpoints
    from mmktn.apis.model_loading import load_config

    configs = config_folders()[0] / "densepose"
    official = checkpoints.read_official_checkpoint(source)
    conversion = checkpoints.convert_detector(official, drop=drop or [])
    checkpoints.check_parts(conversion.state_dict)
    if config is None:
        found = checkpoints.find_config(conversion, configs)
        if found is None:
            if not unchecked:
                raise ValueError(
                    f"{checkpoints.explain_misfit(conversion, configs)}. Give your own config with "
                    "--config, or write the weights as they are with --unchecked"
                )
            return Outcome(conversion, None, "none of the shipped ones fits", [])
        cfg, conversion, name = found.config, found.conversion, found.path.name
        if found.widths:
            name += " with the widths of the checkpoint"
        shapes = checkpoints.model_shapes(cfg)
    else:
        cfg, name = load_config(config), Path(config).name
        shapes = checkpoints.model_shapes(cfg)
        try:
            conversion = checkpoints.fit(conversion, shapes)
        except ValueError as error:
            raise ValueError(f"{error}; {checkpoints.hint_for(conversion, configs)}") from error
    checkpoints.check_constants(conversion.constants, cfg)
    return Outcome(conversion, cfg, name, checkpoints.unfilled_counters(conversion, shapes))


def save(outcome: Outcome, *, source: Path, target: Path) -> None:
    """Write the checkpoint: weights, and where they come from."""
    from mmktn.apis.model_loading import write_checkpoint

    meta = {
        "source": source.name,
        "source_sha256": sha256_of(source),
        "converter": "convert_detectron2",
        "mmktn_version": mmktn.__version__,
        "config_name": outcome.config_name,
        "dropped": dict(outcome.conversion.dropped),
        "dataset_meta": {"classes": ("person",)},
    }
    write_checkpoint(target, {"meta": meta, "state_dict": outcome.conversion.state_dict})


def report(outcome: Outcome, console: Console) -> None:
    """Print what became of every name."""
    from mmktn.checkpoints import describe

    conversion = outcome.conversion
    console.print(f"{describe(conversion.state_dict)}\nconfig: {outcome.config_name}")
    console.print(_consumed(conversion.state_dict))
    for reason, count in Counter(conversion.dropped.values()).items():
        console.print(f"dropped, {reason} ({count}):")
        for name in conversion.dropped:
            if conversion.dropped[name] == reason:
                console.print(f"  {name}", highlight=False)
    console.print(f"consumed {len(conversion.renamed)}, dropped {len(conversion.dropped)}")
    if outcome.config is None:
        console.print("not checked against a model: give its config with --config")
        return
    console.print(
        f"missing: nothing but {len(outcome.unfilled)} batch counters, which frozen norms lack"
        if outcome.unfilled
        else "missing: nothing"
    )


def _consumed(weights: Mapping[str, torch.Tensor]) -> Table:
    table = Table("part", "entries", "numbers")
    entries: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for name, weight in weights.items():
        part = next((part for part in PARTS if name.startswith(part)), name.split(".")[0])
        entries[part] += 1
        numbers[part] += weight.numel()
    for part, count in entries.items():
        table.add_row(part, str(count), f"{numbers[part]:,}")
    return table


@one_line_errors("convert")
def main(argv: list[str] | None = None) -> int:
    """Convert one checkpoint."""
    args = parse_args(argv)
    outputs = [args.target] if args.out_config is None else [args.target, args.out_config]
    for path in outputs:
        claim_output(path, inputs=[args.source], overwrite=args.overwrite)
    outcome = convert(args.source, config=args.config, drop=args.drop, unchecked=args.unchecked)
    if args.out_config is not None:
        if outcome.config is None:
            raise UserError("no config to write: none of the shipped ones fits")
        write_text(args.out_config, outcome.config.pretty_text)
    save(outcome, source=args.source, target=args.target)
    report(outcome, Console())
    return 0
