"""Convert an official STIP or HRNet-pose checkpoint to mmpose's and mmktn's names.

Usage: python -m mmktn convert-stip IN.pth OUT.pth [--config CONFIG]

Known: STIPNet, GPEmbNet (SaT only), HRNet pose estimators (they become the baselines' weights) and
ImageNet HRNets. With --config the result is compared with the model of that config, and the first
weight that does not fit is named.
"""

import argparse
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from rich.console import Console

from mmktn.apis.model_loading import load_config, write_checkpoint
from mmktn.registry import MODELS
from mmktn.stip.checkpoint_keys import STIPConversion, check_fit, convert_stip_state_dict
from mmktn.utils.checkpoint_files import load_weights
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="official checkpoint")
    parser.add_argument("target", type=Path, help="where to write the converted one")
    parser.add_argument("--config", help="config whose model the weights must fit")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def model_weights(config: str) -> dict[str, torch.Tensor]:
    """State dict of a config's model, without memory for it."""
    cfg = load_config(config)
    register_all_modules(init_default_scope=False)
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        return MODELS.build(cfg.model).state_dict()


def summarise(conversion: STIPConversion, missing: list[str] | None) -> str:
    """Return one paragraph about what was converted."""
    lines = [
        f"{conversion.kind}: HRNet-W{conversion.width}, "
        f"{conversion.num_keypoints or 'no'} keypoints, {len(conversion.renamed)} weights"
    ]
    lines += [f"not used: {name} ({reason})" for name, reason in conversion.unused.items()]
    if missing is not None:
        lines.append(
            f"{len(missing)} weights of the model stay as initialised" if missing else "fits"
        )
    return "\n".join(lines)


@one_line_errors("convert-stip")
def main(argv: list[str] | None = None) -> int:
    """Convert, check, write."""
    args = parse_args(argv)
    claim_output(args.target, inputs=[args.source], overwrite=args.overwrite)
    try:
        conversion = convert_stip_state_dict(load_weights(args.source))
        missing = check_fit(conversion, model_weights(args.config)) if args.config else None
    except KeyError as error:
        raise UserError(str(error.args[0])) from error
    write_checkpoint(args.target, {"state_dict": conversion.state_dict, "meta": {}})
    Console().print(summarise(conversion, missing), markup=False)
    return 0
