"""Print a config as it stands after its bases and overrides.

Usage: python -m mmktn config CONFIG [--cfg-options key=value ...] [--out FILE.py]
"""

import argparse
from pathlib import Path

from mmktn.utils.config_path import CONFIG_SUFFIXES, read_config
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically_by_name
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py from the package or its sources"
    )
    parser.add_argument("--out", type=Path, help="also write it to this .py, .json or .yaml file")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    add_config_options(parser)
    return parser.parse_args(argv)


@one_line_errors("config")
def main(argv: list[str] | None = None) -> None:
    """Print, and write where asked."""
    args = parse_args(argv)
    if args.out is not None:
        if args.out.suffix not in CONFIG_SUFFIXES:
            raise UserError(
                f"--out {args.out}: end the name in one of {', '.join(CONFIG_SUFFIXES)}"
            )
        claim_output(args.out, inputs=[args.config], overwrite=args.overwrite)
    cfg = read_config(args.config, args.cfg_options)
    print(cfg.pretty_text)
    if args.out is not None:
        with replace_atomically_by_name(args.out) as part:
            cfg.dump(part)
