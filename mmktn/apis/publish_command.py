"""Make a checkpoint ready to be handed out: weights and meta only, named by its hash.

Usage: python -m mmktn publish IN.pth OUT.pth --config CONFIG [--ema] [--half] [--bare]

Optimiser state and loss curves are left out. The file is written as OUT-<first 8 digits of its
SHA-256>.pth, the name under which mmengine's downloads check a file. `--config` shows that no
weight is missing; `--unchecked` goes without. `--half` halves the file: kernels as float16, while
biases and norms stay as they are.
"""

import argparse
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import mmktn
from mmktn.apis.model_loading import check_complete, load_config, read_checkpoint
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("in_file", type=Path, help="checkpoint of a training run")
    parser.add_argument("out_file", type=Path, help="name without the hash, ending in .pth")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--config", help="config whose model the weights must fill")
    which.add_argument("--unchecked", action="store_true", help="do not look for missing weights")
    parser.add_argument("--ema", action="store_true", help="publish the averaged weights")
    parser.add_argument("--half", action="store_true", help="write kernels as float16")
    parser.add_argument(
        "--bare", action="store_true", help="leave out the run's config, paths and times"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def chosen_weights(
    content: Mapping[str, Any], *, ema: bool, source: str
) -> tuple[dict[str, Tensor], str]:
    """Return the raw or averaged weights of a checkpoint, under the model's names.

    mmengine's `EMAHook` swaps them when it saves: `state_dict` then holds the average, and
    `ema_state_dict` the raw weights.

    Args:
        content: The checkpoint.
        ema: Take the average.
        source: Name of the checkpoint for messages.

    Returns:
        Weights, and what they are.

    Raises:
        UserError: There is no average, or the two sides do not belong together.
    """
    state = content["state_dict"]
    if "ema_state_dict" not in content:
        if ema:
            raise UserError(
                f"{source}: holds no averaged weights (ema_state_dict); leave --ema out"
            )
        return dict(state), "weights"
    if ema:
        return dict(state), "averaged weights"
    other = {k.removeprefix("module."): v for k, v in content["ema_state_dict"].items()}
    lacking = [key for key in state if key not in other]
    if lacking:
        raise UserError(
            f"{source}: the raw weights lack {lacking[0]}; publish the others with --ema"
        )
    return {key: other[key] for key in state}, "raw weights"


def halved(state: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Return the weights with kernels in float16; vectors (biases, norms, statistics) as they are.

    Raises:
        UserError: A kernel has values that float16 does not hold.
    """
    found = {}
    for key, value in state.items():
        kernel = value.is_floating_point() and value.ndim > 1
        found[key] = value.half() if kernel else value
        if kernel and not bool(found[key].isfinite().all()):
            raise UserError(f"{source}: {key} is too large for float16; leave --half out")
    return found


def publish(
    in_file: Path,
    out_file: Path,
    *,
    config: str | None = None,
    ema: bool = False,
    half: bool = False,
    bare: bool = False,
    overwrite: bool = False,
) -> tuple[Path, str]:
    """Write the slim checkpoint.

    Args:
        in_file: Checkpoint of a training run.
        out_file: Where to write it; the hash is added to the name.
        config: Config whose model the weights must fill; None: not checked.
        ema: Take the exponential moving average that `EMAHook` saved.
        half: Write kernels as float16.
        bare: Keep of the run's meta information only what the data set says.
        overwrite: Replace an older file of the same name.

    Returns:
        The file written, and which weights it holds.

    Raises:
        FileNotFoundError, ValueError: As `read_checkpoint`; or no averaged weights, missing ones,
            no .pth, or a file that may not be written.
    """
    if out_file.suffix != ".pth":
        raise UserError(f"{out_file}: the name has to end in .pth")
    content = read_checkpoint(in_file)
    state, what = chosen_weights(content, ema=ema, source=str(in_file))
    if config is not None:
        check_complete(load_config(config), state, source=str(in_file))
    if half:
        state = halved(state, source=str(in_file))
    meta = dict(content.get("meta", {}))
    if bare:
        meta = {key: value for key, value in meta.items() if key == "dataset_meta"}
    meta["mmktn_version"] = mmktn.__version__
    slim = {"meta": meta, "state_dict": {key: value.cpu() for key, value in state.items()}}
    buffer = io.BytesIO()
    torch.save(slim, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:8]
    target = out_file.with_name(f"{out_file.stem}-{digest}.pth")
    claim_output(target, inputs=[in_file], overwrite=overwrite)
    with replace_atomically(target) as handle:
        handle.write(buffer.getbuffer())
    return target, what


@one_line_errors("publish")
def main(argv: list[str] | None = None) -> int:
    """Publish one checkpoint."""
    args = parse_args(argv)
    register_all_modules()
    written, what = publish(
        args.in_file,
        args.out_file,
        config=args.config,
        ema=args.ema,
        half=args.half,
        bare=args.bare,
        overwrite=args.overwrite,
    )
    print(f"{what} -> {written}")
    return 0
