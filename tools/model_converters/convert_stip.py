"""Convert an official STIP or HRNet-pose checkpoint to mmpose's and mmktn's names.

Usage: python tools/model_converters/convert_stip.py IN.pth OUT.pth [--config CONFIG]

Known: STIPNet, GPEmbNet (SaT only), HRNet pose estimators (they become the baselines' weights) and
ImageNet HRNets. With --config the result is compared with the model of that config, and the first
weight that does not fit is named.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope
from rich.console import Console

from mmktn.apis.model_loading import load_config, write_checkpoint
from mmktn.registry import MODELS
from mmktn.utils.checkpoint_files import load_safely
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.stip_checkpoint_keys import STIPConversion, check_fit, convert_stip_state_dict
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="official checkpoint")
    parser.add_argument("target", type=Path, help="where to write the converted one")
    parser.add_argument("--config", help="config whose model the weights must fit")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args()


def read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """Read a state dict, also where it is nested; only plain tensors are unpickled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint, or holds no state dict.
    """
    content: Any = load_safely(path, map_location="cpu")
    for key in ("state_dict", "best_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds no state dict but a {type(content).__name__}")
    wrong = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise ValueError(f"{path}: entry {wrong[0]!r} is no tensor; expected a plain state dict")
    return content


def model_weights(config: str) -> dict[str, torch.Tensor]:
    """State dict of a config's model, without memory for it."""
    cfg = load_config(config)
    register_all_modules(init_default_scope=False)
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        return MODELS.build(cfg.model).state_dict()


def summarise(conversion: STIPConversion, missing: list[str] | None) -> str:
    """One paragraph about what was converted."""
    lines = [
        f"{conversion.kind}: HRNet-W{conversion.width}, "
        f"{conversion.num_keypoints or 'no'} key-points, {len(conversion.renamed)} weights"
    ]
    lines += [f"not used: {name} ({reason})" for name, reason in conversion.unused.items()]
    if missing is not None:
        lines.append(
            f"{len(missing)} weights of the model stay as initialised" if missing else "fits"
        )
    return "\n".join(lines)


@one_line_errors("convert_stip")
def main() -> int:
    """Convert, check, write."""
    args = parse_args()
    claim_output(args.target, inputs=[args.source], overwrite=args.overwrite)
    try:
        conversion = convert_stip_state_dict(read_weights(args.source))
        missing = check_fit(conversion, model_weights(args.config)) if args.config else None
    except KeyError as error:
        raise UserError(str(error.args[0])) from error
    write_checkpoint(args.target, {"state_dict": conversion.state_dict, "meta": {}})
    Console().print(summarise(conversion, missing), markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
