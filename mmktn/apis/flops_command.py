"""Operations and parameters of a config at an image size, by part of the model.

Usage: python -m mmktn flops CONFIG [--size H W] [--boxes N]

Counts what runs for one image with N boxes, with random weights, by PyTorch's operator counter: one
multiply-add is two operations; normalisation and element-wise work are not counted. mmengine's
counter traces the model, which cannot follow boxes that depend on data.
"""

import argparse
from pathlib import Path

import torch
from mmengine.structures import InstanceData
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmktn.apis import load_model
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--size", nargs=2, type=int, default=[800, 1088], metavar=("H", "W"))
    parser.add_argument("--boxes", type=int, default=10, help="people in the image")
    parser.add_argument(
        "--proposals", type=int, default=1000, help="proposals that the box head classifies"
    )
    return parser.parse_args(argv)


@torch.no_grad()
def count(model: nn.Module, size_hw: tuple[int, int], *, boxes: int, proposals: int) -> dict:
    """Return the operations of each part.

    Args:
        model: Two-stage detector with a `DensePoseRoIHead`.
        size_hw: Network input; sides divisible by 32.
        boxes: RoIs of the DensePose branch.
        proposals: RoIs of the box branch.

    Returns:
        Part -> operations.
    """
    image = torch.zeros(1, 3, *size_hw)
    parts = {}

    def run(name: str, call: object) -> object:
        with FlopCounterMode(display=False) as counter:
            result = call()
        parts[name] = counter.get_total_flops()
        return result

    features = run("backbone", lambda: model.backbone(image))
    levels = run("neck", lambda: model.neck(features))
    run("rpn", lambda: model.rpn_head(levels))
    head = model.roi_head
    rois = torch.tensor([0.0, 0.0, 0.0, 0.2 * size_hw[1], 0.45 * size_hw[0]])
    run("box head", lambda: head._bbox_forward(levels, rois.repeat(proposals, 1)))
    given = rois[None, 1:].repeat(boxes, 1)
    results = [InstanceData(bboxes=given)]
    run("densepose branch", lambda: head.predict_densepose(levels, [given], results))
    return parts


@one_line_errors("flops")
def main(argv: list[str] | None = None) -> None:
    """Print a table."""
    args = parse_args(argv)
    if any(side < 32 or side % 32 for side in args.size):
        raise UserError(f"--size {args.size} must be positive and divisible by 32")
    model = load_model(args.config, device="cpu")
    if not hasattr(getattr(model, "roi_head", None), "predict_densepose"):
        raise UserError(
            f"{args.config}: the parts of {type(model).__name__} are not known; "
            "give a config of a detector with a DensePoseRoIHead"
        )
    parts = count(model, tuple(args.size), boxes=args.boxes, proposals=args.proposals)
    table = Table(title=f"{Path(args.config).stem}, {args.size[0]} x {args.size[1]}")
    table.add_column("part")
    table.add_column("G operations", justify="right")
    for name, operations in {**parts, "total": sum(parts.values())}.items():
        table.add_row(name, f"{operations / 1e9:.1f}")
    Console().print(table)
    print(f"parameters: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M")
