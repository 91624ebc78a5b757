"""Whole detectors against their direct forms, in turns, in CPU seconds.

Usage: python projects/benchmark/bench_systems.py [--systems r50 ktn2] [--what predict body train]
       [--sizes 480x640 800x1088] [--batches 1 4] [--types float32 bf16 bf16-last] [--rounds N]

Both forms are processes of one group that take turns at every call; the direct form
(direct_system.py) is float32 always. 'predict' goes from arrays to charts, 'body' is backbone,
pyramid, the proposals' convolutions and MID or decoder, 'train' one step, split into forward,
backward and update; 'ktn2-folded' is ours without the transfer module. The least CPU time of all
rounds counts. Single steps, data loading among them, are in bench_steps.py, STIP in bench_stip.py,
the evaluator in bench_metric.py.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from benchmark_models import inference_call, training_parts
from measure import peak_rss_mb
from rich.console import Console
from rich.table import Table

from mmktn.apis import load_model
from mmktn.engine.cpu_amp_optim_wrapper import SLOW, bfloat16_is_fast
from mmktn.models.layers.cpu_inference import prepare_for_cpu
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import UserError, one_line_errors

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "densepose"
SYSTEMS = {
    "r50": "densepose-rcnn_r50_fpn_s1x_dp-coco.py",
    "ktn2": "ktn2_r50_fpn_s1x_dp-coco.py",
    "ktn2-folded": "ktn2_r50_fpn_s1x_dp-coco.py",
}
TYPES = ("float32", "bf16", "bf16-last")
WHAT = ("predict", "body", "train")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--what", nargs="+", choices=WHAT, default=["predict", "train"])
    parser.add_argument("--sizes", nargs="+", default=["480x640"], metavar="HxW")
    parser.add_argument("--batches", nargs="+", type=int, default=[1])
    parser.add_argument("--types", nargs="+", choices=TYPES, default=["float32"])
    parser.add_argument("--boxes", type=int, default=10, help="people per image")
    parser.add_argument("--rounds", type=int, default=2, help="timed calls of each form")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="also write the figures as JSON")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def make_call(job: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Function that does the work once and gives CPU seconds by part."""
    from direct_system import make_direct

    torch.manual_seed(0)
    ours = job["form"] == "ours"
    options: dict[str, Any] = {
        "model.test_cfg.rcnn.score_thr": 0.0,
        "model.test_cfg.rcnn.max_per_img": job["boxes"],
    }
    if ours and job["system"].endswith("-folded"):
        options["model.roi_head.densepose_head.predictor.folded"] = True
    model: Any = load_model(CONFIGS / SYSTEMS[job["system"]], device="cpu", cfg_options=options)
    if not ours:
        make_direct(model)
    elif job["what"] != "train":
        prepare_for_cpu(model)  # as the inferencer does
    last = job["type"] == "bf16-last" and ours
    if last:
        model.to(memory_format=torch.channels_last)
    if job["what"] == "train":
        return timed_parts(training_parts(model, job))
    if job["what"] == "body":
        height, width = job["size_hw"]
        x = torch.randn(job["batch_size"], 3, -(-height // 32) * 32, -(-width // 32) * 32)
        if last:
            x = x.contiguous(memory_format=torch.channels_last)

        def body() -> None:
            levels = model.extract_feat(x)
            model.rpn_head(levels)
            model.roi_head._branch_features(levels)

        return timed_parts([("", body)])
    return timed_parts([("", inference_call(model, job, branch=False))])


def timed_parts(
    parts: list[tuple[str, Callable[[], Any]]],
) -> Callable[[], dict[str, float]]:
    """Function that runs parts one after the other and gives the CPU seconds of each."""

    def run() -> dict[str, float]:
        seconds = {}
        for name, part in parts:
            start = time.process_time()
            part()
            seconds[name] = time.process_time() - start
        return seconds

    return run


def work(job: dict[str, Any], line: Any) -> None:
    """Be one form of a job: do the work whenever the line says so, and answer what it took."""
    torch.set_num_threads(job["threads"])
    call = make_call(job)
    mixed = job["type"] != "float32" and job["form"] == "ours"
    with (
        torch.set_grad_enabled(job["what"] == "train"),
        torch.autocast("cpu", torch.bfloat16, enabled=mixed),
    ):
        call()
        line.send("ready")
        while line.recv():
            line.send(call())
    line.send(peak_rss_mb())


def measure(job: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Run both forms in turns.

    Raises:
        UserError: One of them ended.
    """
    context = get_context("fork")  # the hosts are imported once
    lines, processes = {}, {}
    for form in ("ours", "direct"):
        lines[form], other = context.Pipe()
        processes[form] = context.Process(target=work, args=(job | {"form": form}, other))
        processes[form].start()
        other.close()
    best: dict[str, dict[str, float]] = {form: {} for form in lines}
    try:
        for line in lines.values():
            line.recv()
        for _, (form, line) in itertools.product(range(rounds), lines.items()):
            line.send(True)
            for part, seconds in line.recv().items():
                best[form][part] = min(seconds, best[form].get(part, seconds))
        for line in lines.values():
            line.send(False)
        memory = {form: line.recv() for form, line in lines.items()}
    except EOFError as error:
        raise UserError(f"a process of the benchmark ended: {job}") from error
    finally:
        for process in processes.values():
            process.kill()
            process.join()
    total = {form: sum(best[form].values()) for form in best}
    return {**job, "seconds": best, "peak_rss_mb": memory, "ratio": total["direct"] / total["ours"]}


def jobs_of(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What to measure."""
    axes = (args.what, args.systems, args.sizes, args.batches, args.types)
    return [
        {
            "what": what,
            "system": system,
            "size_hw": [int(side) for side in size.split("x")],
            "batch_size": batch,
            "type": kind,
            "boxes": args.boxes,
            "threads": args.threads,
        }
        for what, system, size, batch, kind in itertools.product(*axes)
    ]


@one_line_errors("bench_systems")
def main(argv: list[str] | None = None) -> int:
    """Run the jobs and print a table."""
    args = parse_args(argv)
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    if args.types != ["float32"] and not bfloat16_is_fast():
        print(SLOW, file=sys.stderr)
    table = Table(title=f"CPU seconds, {args.threads} thread(s); peak MB of the processes")
    for column in ("what", "ours", "direct", "times as fast", "MB ours", "MB direct"):
        table.add_column(column)
    results = []
    for job in jobs_of(args):
        results.append(measure(job, args.rounds))
        found = results[-1]
        name = " ".join(
            str(part)
            for part in (
                job["what"], job["system"], "x".join(map(str, job["size_hw"])),
                f"batch {job['batch_size']}", job["type"],
            )
        )  # fmt: skip
        for part in found["seconds"]["ours"]:
            ours, direct = (found["seconds"][form][part] for form in ("ours", "direct"))
            memory = [f"{found['peak_rss_mb'][form]:.0f}" for form in ("ours", "direct")]
            cells = (f"{name} {part}", f"{ours:.3f}", f"{direct:.3f}", f"{direct / ours:.2f}")
            table.add_row(*cells, *memory)
            print(*cells, *memory, file=sys.stderr, flush=True)
    Console(width=110).print(table)
    if args.out:
        write_json(args.out, results, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
