"""Print a config as it stands after its bases and overrides.

Usage: python tools/misc/print_config.py CONFIG [--cfg-options key=value ...] [--out FILE.py]
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction

from mmktn.apis.model_loading import load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py from the package or its sources"
    )
    parser.add_argument("--out", type=Path, help="also write it to this .py, .json or .yaml file")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print, and write where asked."""
    args = parse_args(argv)
    try:
        cfg = load_config(args.config)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"print_config: {error}") from error
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    print(cfg.pretty_text)
    if args.out is not None:
        cfg.dump(args.out)


if __name__ == "__main__":
    main()
