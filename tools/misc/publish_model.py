"""Make a checkpoint ready to be handed out: weights and meta only, named by its hash.

Usage: python tools/misc/publish_model.py IN.pth OUT.pth [--ema] [--overwrite]

Optimiser state and loss curves are left out. The file is written as OUT-<first 8 digits of its
SHA-256>.pth, the name under which mmengine's downloads check a file.
"""

import argparse
import hashlib
import io
from pathlib import Path

import torch

import mmktn
from mmktn.apis.model_loading import read_checkpoint
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.user_error import one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("in_file", type=Path, help="checkpoint of a training run")
    parser.add_argument("out_file", type=Path, help="name without the hash, ending in .pth")
    parser.add_argument("--ema", action="store_true", help="publish the averaged weights")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def publish(
    in_file: Path, out_file: Path, *, ema: bool = False, overwrite: bool = False
) -> tuple[Path, str]:
    """Write the slim checkpoint.

    Args:
        in_file: Checkpoint of a training run.
        out_file: Where to write it; the hash is added to the name.
        ema: Take the exponential moving average that `EMAHook` saved; else the raw weights.
        overwrite: Whether a file that exists may be replaced.

    Returns:
        The file written, and which weights it holds.

    Raises:
        FileNotFoundError, ValueError: As `read_checkpoint`; or no averaged weights, or no .pth.
    """
    if out_file.suffix != ".pth":
        raise ValueError(f"{out_file}: the name has to end in .pth")
    content = read_checkpoint(in_file)
    state, kind = dict(content["state_dict"]), "the weights"
    if "ema_state_dict" in content:
        # EMAHook saves the two swapped: `state_dict` holds the average.
        kind = "the averaged weights (EMA)" if ema else "the raw weights, not the average (--ema)"
        if not ema:
            raw = content["ema_state_dict"]
            state |= {k[7:]: v for k, v in raw.items() if k.startswith("module.")}
    elif ema:
        raise ValueError(f"{in_file}: holds no averaged weights (ema_state_dict)")
    meta = {**content.get("meta", {}), "mmktn_version": mmktn.__version__}
    buffer = io.BytesIO()
    torch.save({"meta": meta, "state_dict": {k: v.cpu() for k, v in state.items()}}, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:8]
    target = out_file.with_name(f"{out_file.stem}-{digest}.pth")
    claim_output(target, inputs=[in_file], overwrite=overwrite)
    with replace_atomically(target) as handle:
        handle.write(buffer.getbuffer())
    return target, kind


@one_line_errors("publish_model")
def main(argv: list[str] | None = None) -> None:
    """Publish one checkpoint."""
    args = parse_args(argv)
    path, kind = publish(args.in_file, args.out_file, ema=args.ema, overwrite=args.overwrite)
    print(f"wrote {kind} to {path}")


if __name__ == "__main__":
    raise SystemExit(main())
