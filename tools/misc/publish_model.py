"""Make a checkpoint ready to be handed out: weights and meta only, named by its hash.

Usage: python tools/misc/publish_model.py IN.pth OUT.pth [--ema]

Optimiser state and loss curves are left out. The file is written as OUT-<first 8 digits of its
SHA-256>.pth, the name under which mmengine's downloads check a file.
"""

import argparse
import hashlib
from pathlib import Path

import torch

import mmktn
from mmktn.apis.model_loading import read_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("in_file", type=Path, help="checkpoint of a training run")
    parser.add_argument("out_file", type=Path, help="name without the hash, ending in .pth")
    parser.add_argument("--ema", action="store_true", help="publish the averaged weights")
    return parser.parse_args(argv)


def publish(in_file: Path, out_file: Path, *, ema: bool = False) -> Path:
    """Write the slim checkpoint.

    Args:
        in_file: Checkpoint of a training run.
        out_file: Where to write it; the hash is added to the name.
        ema: Take the exponential moving average that `EMAHook` saved.

    Returns:
        The file written.

    Raises:
        FileNotFoundError, ValueError: As `read_checkpoint`; or no averaged weights, or no .pth.
    """
    if out_file.suffix != ".pth":
        raise ValueError(f"{out_file}: the name has to end in .pth")
    content = read_checkpoint(in_file)
    state = content["state_dict"]
    if ema:
        if "ema_state_dict" not in content:
            raise ValueError(f"{in_file}: holds no averaged weights (ema_state_dict)")
        averaged = content["ema_state_dict"]
        state = {k.removeprefix("module."): v for k, v in averaged.items() if k != "steps"}
    meta = {**content.get("meta", {}), "mmktn_version": mmktn.__version__}
    slim = {"meta": meta, "state_dict": {key: value.cpu() for key, value in state.items()}}
    out_file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(slim, out_file)
    digest = hashlib.sha256(out_file.read_bytes()).hexdigest()[:8]
    return out_file.rename(out_file.with_name(f"{out_file.stem}-{digest}.pth"))


def main(argv: list[str] | None = None) -> None:
    """Publish one checkpoint."""
    args = parse_args(argv)
    try:
        print(publish(args.in_file, args.out_file, ema=args.ema))
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"publish_model: {error}") from error


if __name__ == "__main__":
    main()
