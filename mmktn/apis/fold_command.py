"""Replace the knowledge transfer machine of a checkpoint by the kernel it generates.

Usage: python -m mmktn fold CONFIG CHECKPOINT OUT.pth

The kernel depends on weights alone, so nothing changes but size and start-up time:
KTN v2 R50 shrinks from 285 M to 76 M parameters. The outputs of both forms are compared before
anything is written. The folded file loads with the same config and the printed switch; it can be
used and evaluated, not trained further.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from mmengine.config import Config
from rich.console import Console
from torch import Tensor

from mmktn.apis.model_loading import (
    check_complete,
    load_config,
    read_checkpoint,
    write_checkpoint,
)
from mmktn.registry import MODELS
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import one_line_errors

HEAD_PATHS = ("roi_head.densepose_head", "head.densepose_head", "head")
BOX_HEAD = "roi_head.bbox_head"
TOLERANCE = 1e-5
"""Largest difference of any output map, relative to its largest value."""


@dataclass(frozen=True)
class Folded:
    """What there is to write and to report.

    Attributes:
        state_dict: Weights with the kernel in place of the machine.
        predictor_path: Where the predictor stands in the config's model.
        parameters: Numbers of parameters before and after.
        difference: Largest relative difference of the outputs.
    """

    state_dict: dict[str, Tensor]
    predictor_path: str
    parameters: tuple[int, int]
    difference: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config of the model, unfolded")
    parser.add_argument("checkpoint", type=Path, help="its checkpoint")
    parser.add_argument("out", type=Path, help="checkpoint to write")
    parser.add_argument(
        "--unchecked", action="store_true", help="do not look for weights missing elsewhere"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def fold(cfg: Config, state_dict: Mapping[str, Tensor]) -> Folded:
    """Fold the weights of one model.

    Args:
        cfg: Its config.
        state_dict: Its weights.

    Returns:
        The folded weights, compared.

    Raises:
        ValueError: The config has no KTM, is folded already, does not fit the weights, or the
            outputs of both forms differ.
    """
    state = {key.removeprefix("module."): value for key, value in state_dict.items()}
    head_path, predictor_cfg = _find_predictor(cfg)
    prefix = f"{head_path}.predictor."
    if any("refined_densepose_head." in key for key in state):
        raise ValueError("a cascade has a machine in each stage; only one can be folded")
    weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    with torch.device("meta"):  # the weights of the checkpoint are taken over, not copied
        predictor = MODELS.build(predictor_cfg)
    try:
        predictor.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(f"the checkpoint does not fit the config's predictor: {error}") from error
    predictor.eval()
    box_weights = {
        key: state[f"{BOX_HEAD}.{layer}.weight"]
        for key, layer in (("cls", "fc_cls"), ("reg", "fc_reg"))
        if f"{BOX_HEAD}.{layer}.weight" in state
    }
    before = _outputs(predictor, box_weights)
    predictor.fold(box_weights)
    difference = max(
        float((a - b).abs().max() / a.abs().max())
        for a, b in zip(before, _outputs(predictor, {}), strict=True)
    )
    if not difference <= TOLERANCE:
        raise ValueError(f"folding changes the outputs by {difference:.1e}, allowed {TOLERANCE}")
    folded = {k: v for k, v in state.items() if not k.startswith(prefix)}
    folded |= {prefix + name: value.detach() for name, value in predictor.state_dict().items()}
    counts = (_count_parameters(state), _count_parameters(folded))
    return Folded(folded, f"{head_path}.predictor", counts, difference)


def save(folded: Folded, path: Path, *, source: Path, meta: Mapping[str, Any]) -> None:
    """Write weights and their origin; plain tensors and text, nothing that needs pickled code."""
    kept = {key: meta[key] for key in ("dataset_meta", "epoch", "iter") if key in meta}
    meta = {**kept, "folded_from": source.name}
    write_checkpoint(path, {"meta": meta, "state_dict": folded.state_dict})


def _find_predictor(cfg: Config) -> tuple[str, dict]:
    """Return the path of the dense-pose head in the model, and the config of its predictor."""
    for path in HEAD_PATHS:
        node = cfg.model
        for name in path.split("."):
            node = node.get(name) or {}
        predictor = node.get("predictor")
        if predictor is None:
            continue
        if "KTM" not in str(predictor.get("type")):
            raise ValueError(f"model.{path}.predictor is a {predictor.type}: there is no KTM")
        if predictor.get("folded"):
            raise ValueError(f"model.{path}.predictor is folded already")
        return path, predictor
    raise ValueError(f"the config has no dense-pose head (looked at {', '.join(HEAD_PATHS)})")


@torch.no_grad()
def _outputs(predictor: torch.nn.Module, box_weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Return all maps on fixed random features."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((1, cast("int", predictor.in_channels), 14, 14), generator=generator)
    return [maps for _, maps in predictor(x, box_weights).items()]


def _count_parameters(state_dict: Mapping[str, Tensor]) -> int:
    """Return the numbers in the weights, statistics of batch norms left out."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return sum(v.numel() for k, v in state_dict.items() if not k.endswith(statistics))


@one_line_errors("fold")
def main(argv: list[str] | None = None) -> int:
    """Fold one checkpoint."""
    args = parse_args(argv)
    claim_output(args.out, inputs=[args.checkpoint, args.config], overwrite=args.overwrite)
    register_all_modules()
    cfg = load_config(args.config)
    content = read_checkpoint(args.checkpoint)
    folded = fold(cfg, content["state_dict"])
    if not args.unchecked:
        check_complete(cfg, content["state_dict"], source=str(args.checkpoint))
    save(folded, args.out, source=args.checkpoint, meta=content.get("meta", {}))
    before, after = (f"{count / 1e6:.1f} M" for count in folded.parameters)
    console = Console()
    console.print(f"parameters: {before} -> {after}; outputs differ by {folded.difference:.1e}")
    console.print(
        f"wrote {args.out}; load it with --cfg-options model.{folded.predictor_path}.folded=True",
        soft_wrap=True,
        markup=False,
    )
    return 0
