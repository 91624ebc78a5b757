"""What the commands that read a config have in common on their command lines."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import claim_folder

if TYPE_CHECKING:
    from mmengine.config import Config


class ConfigOptions(argparse.Action):
    """mmengine's `--cfg-options`, imported if it is given; what is not KEY=VALUE is named."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Read KEY=VALUE pairs."""
        for text in values or ():
            key, sign, _ = text.partition("=")
            if not sign or not all(key.split(".")):
                parser.error(f"{option_string} {text!r}: write KEY=VALUE, with dots between keys")
        from mmengine.config import DictAction

        read = DictAction(self.option_strings, self.dest, nargs=self.nargs)
        try:
            read(parser, namespace, values, option_string)
        except (AssertionError, ValueError, RecursionError) as error:
            parser.error(f"{option_string} {' '.join(values)}: {error}")


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add `--cfg-options`."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=ConfigOptions,
        metavar="KEY=VALUE",
        help="override config keys: key=value ...",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what training and testing share: config, work dir, overrides, launcher."""
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py from the package or its sources"
    )
    parser.add_argument("--work-dir", help="where logs, checkpoints and metrics go")
    add_config_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # torch.distributed.launch passes --local-rank, older versions --local_rank.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)


def read_run_config(args: argparse.Namespace) -> Config:
    """Read the config of `add_run_arguments` and put the command line on top of it.

    Raises:
        UserError: As `read_config`; or the work dir cannot be a folder.
    """
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config.replace("::", "/")).stem)
    claim_folder(cfg.work_dir)
    return cfg
